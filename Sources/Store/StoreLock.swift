import Glibc

/// One Patrol a store: an advisory lock on `<store>.lock`, held as long as the process lives and given up by the
/// kernel however it dies.
final class StoreLock: Sendable {
    private let descriptor: Int32

    init(path: String) throws(StoreError) {
        let lockPath = path + ".lock"
        descriptor = unsafe open(lockPath, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            let reason = unsafe String(cString: strerror(errno))
            throw StoreError(errno == ENOENT ? .missing : .readOnly, path: path, detail: "\(lockPath): \(reason)")
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            var bytes = [UInt8](repeating: 0, count: 20)
            let count = unsafe read(descriptor, &bytes, bytes.count)
            let holder = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
            close(descriptor)
            throw StoreError(.locked, path: path, detail: holder.isEmpty ? lockPath : "process \(holder)")
        }
        let text = Array(String(getpid()).utf8)
        _ = ftruncate(descriptor, 0)
        _ = unsafe pwrite(descriptor, text, text.count, 0)
    }

    deinit { close(descriptor) }
}
