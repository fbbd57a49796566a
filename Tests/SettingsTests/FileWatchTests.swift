import Foundation
import Settings
import Testing

@Suite struct FileWatchTests {
    @Test func aChangeIsToldOnceAndWhenItIsComplete() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("patrol-watch-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder.appendingPathComponent("rules"), withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        func write(_ name: String, _ text: String) throws { try Data(text.utf8).write(to: folder.appendingPathComponent(name)) }
        try write("patrol.yaml", "a")
        try write("rules/one.yaml", "b")
        var watch = FileWatch(paths: [folder.path + "/rules", folder.path + "/patrol.yaml", folder.path + "/missing.csv"])
        func polls(_ count: Int) -> [Bool] { (0..<count).map { _ in watch.poll() } }
        #expect(polls(3) == [false, false, false])
        try write("rules/one.yaml", "half")
        #expect(polls(1) == [false])
        // Still being written: it moved between two looks.
        try write("rules/one.yaml", "half and whole")
        #expect(polls(3) == [false, true, false])
        // Another time with the same contents is nothing new.
        try FileManager.default.setAttributes([.modificationDate: Date(timeIntervalSince1970: 1000)], ofItemAtPath: folder.path + "/patrol.yaml")
        #expect(polls(3) == [false, false, false])
        for (name, text) in [("rules/two.yaml", "new"), ("missing.csv", "there now")] {
            try write(name, text)
            #expect(polls(3) == [false, true, false], "\(name)")
        }
        try FileManager.default.removeItem(atPath: folder.path + "/rules/two.yaml")
        #expect(polls(3) == [false, true, false])
    }
}
