import Glibc

/// The bytes of a recording, decompressed where they are gzip'd (RFC 1952, known by its magic bytes). One thread owns it.
///
/// gzip itself decompresses: it reads from our descriptor, whose position it shares, so that progress is known in
/// compressed bytes too.
@safe
final class RecordingSource {
    private let path: String
    // The file; open until deinit.
    private let file: Int32
    // What is read: the file, or the pipe from gzip; −1 once gzip has ended.
    private var input: Int32
    private var gzip: pid_t?
    /// Bytes looked at that a pipe does not give twice.
    private var looked: [UInt8] = []
    /// The file's size; nil where it has none (a pipe).
    let totalBytes: Int?
    private var bytesTaken = 0

    init(path: String) throws(RecordingError) {
        self.path = path
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw RecordingError(description: "\(path): \(Self.lastError); give a file that can be read")
        }
        file = descriptor
        input = descriptor
        var status = stat()
        _ = unsafe fstat(descriptor, &status)
        let isRegular = status.st_mode & S_IFMT == S_IFREG
        totalBytes = isRegular ? Int(status.st_size) : nil
        if status.st_mode & S_IFMT == S_IFDIR {
            throw RecordingError(description: "\(path): is a folder; give one file")
        }
        if try hasGzipMagic(isRegular) {
            guard isRegular else {
                throw RecordingError(description: "\(path): gzip'd data from a pipe; decompress it before: zcat FILE | …")
            }
            try startGzip()
        }
    }

    deinit {
        if input != file, input >= 0 { close(input) }
        // With the pipe closed gzip ends by itself.
        if let gzip { _ = waitpid(gzip, nil, 0) }
        close(file)
    }

    /// How much of the file is read, compressed bytes where it is gzip'd; compare with ``totalBytes``.
    var position: Int { totalBytes == nil ? bytesTaken : Int(lseek(file, 0, SEEK_CUR)) }

    private static var lastError: String { unsafe String(cString: strerror(errno)) }

    private func hasGzipMagic(_ isRegular: Bool) throws(RecordingError) -> Bool {
        var magic: [UInt8] = [0, 0]
        if isRegular { return unsafe pread(file, &magic, 2, 0) == 2 && magic == [0x1F, 0x8B] }
        while looked.count < 2 {
            let count = try unsafe takeSome(&magic, 2 - looked.count)
            if count == 0 { return false }
            looked += magic[..<count]
        }
        return looked == [0x1F, 0x8B]
    }

    private func startGzip() throws(RecordingError) {
        var ends: [Int32] = [-1, -1]
        guard unsafe pipe(&ends) == 0 else { throw RecordingError(description: "\(path): no pipe to gzip: \(Self.lastError)") }
        // gzip must not hold our end: it would never learn that nobody reads.
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        unsafe posix_spawn_file_actions_adddup2(&actions, file, 0)
        unsafe posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
        unsafe posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
        var arguments = unsafe [strdup("gzip"), strdup("-dc"), nil]
        defer { for unsafe argument in unsafe arguments { unsafe free(argument) } }
        var child: pid_t = 0
        let code = unsafe posix_spawnp(&child, "gzip", &actions, nil, &arguments, environ)
        close(ends[1])
        guard code == 0 else {
            close(ends[0])
            throw RecordingError(
                description: """
                    \(path): gzip cannot be started (\(unsafe String(cString: strerror(code)))); install it: apt-get \
                    install gzip
                    """)
        }
        input = ends[0]
        gzip = child
    }

    /// Reads up to `count` bytes; 0 at the end. A gzip that fails is an error at the end, after all it gave.
    func read(_ bytes: UnsafeMutableRawPointer, _ count: Int) throws(RecordingError) -> Int {
        if !looked.isEmpty {
            let some = min(count, looked.count)
            for index in 0..<some { unsafe bytes.storeBytes(of: looked[index], toByteOffset: index, as: UInt8.self) }
            looked.removeFirst(some)
            return some
        }
        if input < 0 { return 0 }
        let some = try unsafe takeSome(bytes, count)
        if some == 0 { try endGzip() }
        return some
    }

    private func takeSome(_ bytes: UnsafeMutableRawPointer, _ count: Int) throws(RecordingError) -> Int {
        while true {
            let some = unsafe Glibc.read(input, bytes, count)
            if some >= 0 {
                bytesTaken += some
                return some
            }
            if errno != EINTR { throw RecordingError(description: "\(path): cannot be read on: \(Self.lastError)") }
        }
    }

    private func endGzip() throws(RecordingError) {
        guard let child = gzip else { return }
        gzip = nil
        close(input)
        input = -1
        var status: Int32 = 0
        while unsafe waitpid(child, &status, 0) < 0 && errno == EINTR {}
        let isExit = status & 0x7F == 0
        let code = status >> 8 & 0xFF
        // 2 is a warning, such as bytes behind the end: what was compressed is whole.
        if isExit && (code == 0 || code == 2) { return }
        throw RecordingError(
            description: """
                \(path): gzip could not decompress all of it (\(isExit ? "code \(code)" : "signal \(status & 0x7F)")); \
                the file is cut off or damaged: look with gzip -t
                """)
    }
}
