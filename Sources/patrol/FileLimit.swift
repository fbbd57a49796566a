import Glibc

/// Files a process may have open: a thousand readers of the stream are a thousand connections.
enum FileLimit {
    static let wanted: rlim_t = 65_536

    /// As many as the system lets this process have.
    static func raise() {
        let files = __rlimit_resource_t(7)  // RLIMIT_NOFILE
        var limit = rlimit()
        guard unsafe getrlimit(files, &limit) == 0, limit.rlim_cur < wanted else { return }
        limit.rlim_cur = min(limit.rlim_max, wanted)
        _ = unsafe setrlimit(files, &limit)
    }
}
