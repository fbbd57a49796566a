import Foundation
import Glibc

/// The pages of the program that only its start needed.
enum StartPages {
    /// Takes the program's code out of this process's memory: the kernel maps sixteen pages around each one that is touched,
    /// and a start touches something everywhere. What is needed comes back from the system's cache by itself.
    static func letGo() {
        guard let program = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"),
            let maps = try? String(contentsOfFile: "/proc/self/maps", encoding: .utf8)
        else { return }
        for line in maps.split(separator: "\n") where line.hasSuffix(program) && line.contains(" r-xp ") {
            let ends = line.prefix { $0 != " " }.split(separator: "-").map { UInt($0, radix: 16) ?? 0 }
            guard ends.count == 2, ends[1] > ends[0] else { continue }
            unsafe madvise(UnsafeMutableRawPointer(bitPattern: ends[0]), Int(ends[1] - ends[0]), MADV_DONTNEED)
        }
    }
}
