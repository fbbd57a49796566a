import NIOCore

/// Closes a connection whose other end has taken nothing for a while, and at a shutdown at once: a stream that waits for
/// such a reader would hold its place, its page and the shutdown for ever.
///
/// What is not taken is bounded: the channel's water mark (64 KiB), the page being written and the socket's buffer.
/// Owner: the channel's event loop.
final class StallGuard: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = NIOAny

    private let patience: TimeAmount
    private var alarm: Scheduled<Void>?
    private var isEnding = false

    init(milliseconds: Int64) { patience = .milliseconds(milliseconds) }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        alarm?.cancel()
        alarm = nil
        if !context.channel.isWritable {
            let channel = context.channel
            if isEnding {
                channel.close(promise: nil)
            } else {
                alarm = context.eventLoop.scheduleTask(in: patience) { channel.close(promise: nil) }
            }
        }
        context.fireChannelWritabilityChanged()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is ChannelShouldQuiesceEvent {
            isEnding = true
            if !context.channel.isWritable { context.close(promise: nil) }
        }
        context.fireUserInboundEventTriggered(event)
    }

    func handlerRemoved(context: ChannelHandlerContext) { alarm?.cancel() }
    func channelInactive(context: ChannelHandlerContext) {
        alarm?.cancel()
        context.fireChannelInactive()
    }
}
