/// Messages that the broker has not acknowledged, in the order in which they were published: pure.
struct KeptMessages {
    struct Message {
        var topic: String
        var payload: [UInt8]
        var retain: Bool
        fileprivate var isDone = false

        init(topic: String, payload: [UInt8], retain: Bool) {
            self.topic = topic
            self.payload = payload
            self.retain = retain
        }
    }

    private var messages: [Message] = []
    /// Messages at the front that are done and not yet removed.
    private var doneCount = 0
    /// The id of `messages[0]`.
    private var firstID = 1
    /// The id that is given next.
    private var nextID = 1
    /// The library's ids of what it holds.
    private var ids: [Int32: Int] = [:]

    /// - Returns: its id; ids grow by one.
    mutating func append(_ message: Message) -> Int {
        messages.append(message)
        return firstID + messages.count - 1
    }

    /// The message to give to the library now; nil where it holds `window` or there is none.
    mutating func next(window: Int) -> (id: Int, message: Message)? {
        guard ids.count < window else { return nil }
        while nextID < firstID + messages.count {
            let message = messages[nextID - firstID]
            if !message.isDone { return (nextID, message) }
            nextID += 1
        }
        return nil
    }

    mutating func gave(_ id: Int, as mid: Int32) {
        ids[mid] = id
        nextID = id + 1
    }

    /// - Returns: the id; nil for what is none of these.
    mutating func acknowledged(_ mid: Int32) -> Int? {
        guard let id = ids.removeValue(forKey: mid) else { return nil }
        messages[id - firstID].isDone = true
        messages[id - firstID].payload = []
        while doneCount < messages.count, messages[doneCount].isDone { doneCount += 1 }
        if doneCount == messages.count || doneCount > 1024 {
            messages.removeFirst(doneCount)
            firstID += doneCount
            doneCount = 0
        }
        return id
    }

    /// The connection is gone: whatever is not acknowledged is given again.
    mutating func rewind() {
        ids.removeAll()
        nextID = firstID + doneCount
    }
}
