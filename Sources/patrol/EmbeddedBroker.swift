import ArgumentParser
import Foundation

/// A mosquitto of our own on loopback, with persistence. It ends with ``stop()``; one that a killed Patrol left behind is
/// ended by the next start in the same folder.
final class EmbeddedBroker {
    let port: Int
    private var process: pid_t = 0

    init(folder: String, port: Int) throws {
        self.port = port
        let brokerFolder = URL(fileURLWithPath: folder).path + "/mosquitto"
        try FileManager.default.createDirectory(atPath: brokerFolder, withIntermediateDirectories: true)
        let path = brokerFolder + "/mosquitto.conf"
        let pidFile = brokerFolder + "/mosquitto.pid"
        EmbeddedBroker.endLeftover(pidFile: pidFile, configuration: path)
        try EmbeddedBroker.configuration(folder: brokerFolder, port: port)
            .write(toFile: path, atomically: true, encoding: .utf8)
        guard let binary = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto", "/usr/bin/mosquitto"].first(where: {
            FileManager.default.isExecutableFile(atPath: $0)
        }) else {
            throw Exit.fail("there is no mosquitto on this machine; install it: apt-get install mosquitto", Exit.broker)
        }
        process = try EmbeddedBroker.spawn(binary, ["-c", path])
        try "\(process)".write(toFile: pidFile, atomically: true, encoding: .utf8)
        for _ in 0..<500 {
            if Port.answers(host: "127.0.0.1", port: port) { return }
            var status: Int32 = 0
            if unsafe waitpid(process, &status, WNOHANG) == process {
                process = 0
                break
            }
            usleep(10_000)
        }
        throw Exit.fail("mosquitto did not start on port \(port); see: \(binary) -c \(path)", Exit.broker)
    }

    /// Ends it and waits: it writes its persistence. Killed when it has not ended after five seconds.
    func stop() {
        guard process > 0 else { return }
        kill(process, SIGTERM)
        var status: Int32 = 0
        for _ in 0..<500 {
            if unsafe waitpid(process, &status, WNOHANG) == process { return process = 0 }
            usleep(10_000)
        }
        kill(process, SIGKILL)
        _ = unsafe waitpid(process, &status, 0)
        process = 0
    }

    /// In a process group of its own, so that Ctrl-C reaches Patrol alone, which ends it last; with no signal blocked
    /// (Swift's worker threads block them all, and a child inherits that).
    private static func spawn(_ binary: String, _ arguments: [String]) throws -> pid_t {
        var attributes = posix_spawnattr_t()
        var actions = unsafe posix_spawn_file_actions_t()
        var noSignals = sigset_t()
        unsafe sigemptyset(&noSignals)
        unsafe posix_spawnattr_init(&attributes)
        unsafe posix_spawnattr_setsigmask(&attributes, &noSignals)
        unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP))
        unsafe posix_spawn_file_actions_init(&actions)
        for stream in [Int32(1), 2] { unsafe posix_spawn_file_actions_addopen(&actions, stream, "/dev/null", O_WRONLY, 0) }
        defer {
            unsafe posix_spawnattr_destroy(&attributes)
            unsafe posix_spawn_file_actions_destroy(&actions)
        }
        var words: [UnsafeMutablePointer<CChar>?] = unsafe ([binary] + arguments).map { unsafe strdup($0) } + [nil]
        defer { for unsafe word in unsafe words { unsafe free(word) } }
        var child: pid_t = 0
        let code = unsafe posix_spawn(&child, binary, &actions, &attributes, &words, environ)
        guard code == 0 else {
            throw Exit.fail("\(binary) could not be started: \(unsafe String(cString: strerror(code)))", Exit.broker)
        }
        return child
    }

    private static func endLeftover(pidFile: String, configuration: String) {
        guard let text = try? String(contentsOfFile: pidFile, encoding: .utf8), let pid = pid_t(text), pid > 1,
            let command = FileManager.default.contents(atPath: "/proc/\(pid)/cmdline"),
            String(decoding: command, as: UTF8.self).contains(configuration)
        else { return }
        kill(pid, SIGTERM)
        for _ in 0..<300 where kill(pid, 0) == 0 { usleep(10_000) }
    }

    /// As Deploy/mosquitto/mosquitto.conf, for one machine.
    private static func configuration(folder: String, port: Int) -> String {
        """
        listener \(port) 127.0.0.1
        allow_anonymous true
        persistence true
        persistence_location \(folder)/
        autosave_interval 30
        max_inflight_messages 20000
        max_queued_messages 1000000
        max_queued_bytes 0
        set_tcp_nodelay true
        log_type error
        \(geteuid() == 0 ? "user root" : "")

        """
    }
}
