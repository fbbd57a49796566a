/// The district as its files describe it: where things are and when what applies. Values only, checked when they were
/// loaded; every name in them is known.
public struct World: Sendable {
    public var zone: LocalZone
    public var areas = AreaTree.empty
    public var sites = Sites()
    public var fences = Fences()
    public var calendars: [EventCalendar] = []
    public var permits = Permits()
    public var limits = NoiseLimits.delivered
    public var units: [ResponseUnit] = []

    public init(zone: LocalZone) { self.zone = zone }

    public func calendar(_ id: String) -> EventCalendar? { calendars.first { $0.id == id } }

    /// When it is night by ``limits``.
    public var night: When { .hours(DayHours(hours: [limits.night])) }
}
