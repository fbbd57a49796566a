import CMosquitto

/// `mosquitto_lib_init`, once a process; never cleaned up.
enum Library {
    static let isReady: Bool = mosquitto_lib_init() == MOSQ_ERR_SUCCESS.code
}

extension mosq_err_t {
    /// As the library's functions return it.
    @inline(__always)
    var code: Int32 { Int32(rawValue) }
}

extension ConnectionOptions {
    /// Makes the library's client with everything but its callbacks.
    func makeClient(
        clientID: String, cleanSession: Bool, context: UnsafeMutableRawPointer?
    ) throws(MosquittoError) -> OpaquePointer {
        guard Library.isReady, let client = unsafe mosquitto_new(clientID, cleanSession, context) else {
            throw MosquittoError("no MQTT client could be made for id '\(clientID)'")
        }
        func check(_ code: Int32, _ what: String) throws(MosquittoError) {
            if code == MOSQ_ERR_SUCCESS.code { return }
            unsafe mosquitto_destroy(client)
            throw MosquittoError(what, code: code)
        }
        try check(
            unsafe mosquitto_int_option(client, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V311), "MQTT 3.1.1")
        try check(unsafe mosquitto_int_option(client, MOSQ_OPT_TCP_NODELAY, 1), "TCP_NODELAY")
        if let username {
            try check(unsafe mosquitto_username_pw_set(client, username, password), "broker.username")
        }
        if address.usesTLS {
            // Without a CA of its own the system's are trusted.
            let folder = caFile == nil ? "/etc/ssl/certs" : nil
            try check(
                unsafe mosquitto_tls_set(client, caFile, folder, certificateFile, keyFile, nil),
                "broker.ca, broker.cert, broker.key")
        }
        return unsafe client
    }
}
