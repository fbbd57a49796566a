import Foundation
import GRDBSQLite
import Glibc

/// What went wrong with the store, for the reader: what happened, where, what to do. ``isTemporary`` ones go away by
/// themselves (room on the disk) and the same commit can be tried again.
public struct StoreError: Error, CustomStringConvertible, Sendable {
    public enum Cause: Sendable, Equatable {
        case missing, locked, newerVersion, otherSettings, notADatabase, damaged, full, readOnly, io, input, busy, other
        /// One of the rows of the batch was refused by SQLite.
        case row
    }

    public let cause: Cause
    public let path: String
    /// What SQLite or the system said.
    public let detail: String

    public init(_ cause: Cause, path: String, detail: String) {
        self.cause = cause
        self.path = path
        self.detail = detail
    }

    public var isTemporary: Bool {
        switch cause {
        case .full, .readOnly, .io, .busy, .other: true
        case .missing, .locked, .newerVersion, .otherSettings, .notADatabase, .damaged, .input, .row: false
        }
    }

    public var description: String {
        let what =
            switch cause {
            case .missing: "there is no store"
            case .locked: "another Patrol has the store open"
            case .newerVersion: "the store was written by a newer Patrol"
            case .otherSettings: "the store was written with other settings"
            case .notADatabase: "the file is not a Patrol store"
            case .damaged: "the store is damaged"
            case .full: "no room on the disk for the store"
            case .readOnly: "the store cannot be written"
            case .io: "the disk refused to read or write the store"
            case .input: "the question to the store is wrong"
            case .busy: "the store is busy"
            case .row: "the store refused a row"
            case .other: "the store failed"
            }
        let hint =
            switch cause {
            case .missing: "name one with --store, or start 'patrol up' first"
            case .locked: "stop the other one, or use another store.path"
            case .newerVersion: "install the Patrol that wrote it, or restore a backup"
            case .otherSettings: "set timezone and rollups back, or begin a new store"
            case .notADatabase: "give store.path a file that Patrol made, or one that does not exist yet"
            case .damaged: "restore a backup; 'patrol doctor' says which table"
            case .full: "make room: a running Patrol acknowledges nothing until then and goes on by itself, a command is given again"
            case .readOnly: "give the user write permission: nothing is acknowledged meanwhile"
            case .io: "look for the disk in the system's log (dmesg): nothing is acknowledged meanwhile and Patrol tries again"
            case .input: "see 'patrol query --help'"
            case .busy, .row, .other: "see the detail"
            }
        return "\(path): \(what) (\(detail)); \(hint)"
    }

    static func from(code: Int32, message: String, path: String) -> StoreError {
        if code & 0xFF == SQLITE_INTERRUPT {
            return StoreError(.input, path: path, detail: "no answer in time; ask for less time, one device or fewer rows")
        }
        let cause: Cause =
            switch code & 0xFF {
            case SQLITE_FULL: .full
            case SQLITE_READONLY, SQLITE_PERM: .readOnly
            case SQLITE_CORRUPT: .damaged
            case SQLITE_NOTADB: .notADatabase
            case SQLITE_CANTOPEN: .other
            case SQLITE_BUSY, SQLITE_LOCKED: .busy
            case SQLITE_CONSTRAINT, SQLITE_MISMATCH, SQLITE_TOOBIG, SQLITE_RANGE: .row
            // A write that found no room ends as an I/O error on some file systems.
            case SQLITE_IOERR: hasRoom(path) ? .io : .full
            default: .other
            }
        return StoreError(cause, path: path, detail: "SQLite \(code): \(message)")
    }

    private static func hasRoom(_ path: String) -> Bool {
        var status = statvfs()
        let folder = (path as NSString).deletingLastPathComponent
        guard unsafe statvfs(folder.isEmpty ? "." : folder, &status) == 0 else { return true }
        return UInt64(status.f_bavail) * UInt64(status.f_frsize) >= 1 << 20
    }
}
