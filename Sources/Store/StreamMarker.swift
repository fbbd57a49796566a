import Foundation
import Glibc

/// `<store>.stream` beside the store: the epoch and the last sequence number of its stream, as text. It is not part of a
/// backup of the store, so a store that is behind it was restored from one. Written after each commit that appended
/// events, without waiting for the disk: after a loss of power it may be behind, never ahead. Owner: the writer.
final class StreamMarker {
    /// What the file said at the start; empty where there was none.
    private(set) var epoch = ""
    private(set) var sequence: Int64 = 0
    private var appended: Int64?
    private let descriptor: Int32

    init(path: String) {
        descriptor = unsafe open(path + ".stream", O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { return }
        var bytes = [UInt8](repeating: 0, count: 64)
        let count = unsafe pread(descriptor, &bytes, bytes.count, 0)
        let words = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self).split { $0 == " " || $0 == "\n" }
        guard words.count == 2, let number = Int64(words[1]) else { return }
        epoch = String(words[0])
        sequence = number
    }

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

    private func write() {
        guard descriptor >= 0 else { return }
        let digits = String(sequence)
        // Of one length always, so that one write replaces the whole.
        let text = epoch + " " + String(repeating: "0", count: max(0, 19 - digits.count)) + digits + "\n"
        let bytes = Array(text.utf8)
        _ = unsafe pwrite(descriptor, bytes, bytes.count, 0)
    }
}
