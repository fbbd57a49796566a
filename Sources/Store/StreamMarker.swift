import Foundation
import Glibc

/// `<store>.stream` beside the store: the epoch and the last sequence number of its stream, as text. It is no part of a
/// backup of the store, so a store that is behind it was restored from one. Written after each commit that appended
/// events, without waiting for the disk: after a loss of power it may be behind, never ahead. Owner: the writer.
///
/// Whoever copies the whole folder copies this file too. So it also says when it was written, which must be when the file
/// system says it was last touched (its ctime, which no copy can keep).
final class StreamMarker {
    /// A write and the file system's note of it lie less than so much apart, by the same clock.
    private static let slackMilliseconds: Int64 = 2000

    /// What the file said at the start; empty where there was none.
    private(set) var epoch = ""
    private(set) var sequence: Int64 = 0
    /// Nobody has touched the file since Patrol wrote it.
    let isAsLeft: Bool
    private var appended: Int64?
    private let descriptor: Int32

    init(path: String) {
        descriptor = unsafe open(path + ".stream", O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        var bytes = [UInt8](repeating: 0, count: 96)
        let count = descriptor < 0 ? 0 : unsafe pread(descriptor, &bytes, bytes.count, 0)
        let words = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self).split { $0 == " " || $0 == "\n" }
        var status = stat()
        guard words.count == 3, let number = Int64(words[1]), let written = Int64(words[2]), unsafe fstat(descriptor, &status) == 0 else {
            isAsLeft = false
            return
        }
        epoch = String(words[0])
        sequence = number
        isAsLeft = abs(StreamMarker.milliseconds(status.st_ctim) - written) <= StreamMarker.slackMilliseconds
    }

    private static func milliseconds(_ time: timespec) -> Int64 { Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000 }

    deinit { if descriptor >= 0 { close(descriptor) } }

    func begin(epoch: String, sequence: Int64) {
        self.epoch = epoch
        self.sequence = sequence
        write()
    }

    /// An event was appended in the open transaction.
    func append(_ sequence: Int64) { appended = sequence }

    func committed() {
        guard let appended else { return }
        self.appended = nil
        sequence = appended
        write()
    }

    func rolledBack() { appended = nil }

    /// The server's clock, UTC ms.
    static var nowMilliseconds: Int64 {
        var now = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &now)
        return milliseconds(now)
    }

    private func write() {
        guard descriptor >= 0 else { return }
        // Of one length always, so that one write replaces the whole.
        func wide(_ number: Int64) -> String {
            let digits = String(number)
            return String(repeating: "0", count: max(0, 19 - digits.count)) + digits
        }
        let text = "\(epoch) \(wide(sequence)) \(wide(StreamMarker.nowMilliseconds))\n"
        let bytes = Array(text.utf8)
        _ = unsafe pwrite(descriptor, bytes, bytes.count, 0)
    }
}
