/// The words of rule files, once: the reader takes its keys from here and `patrol rules reference` prints them, so that
/// neither knows a key that the other does not.
public enum RuleLanguage {
    public struct Key: Sendable {
        public let name: String
        /// What stands behind the key.
        public let value: String
        public let meaning: String
    }

    public struct Section: Sendable {
        public let name: String
        public let introduction: String
        public let keys: [Key]
        var names: [String] { keys.map(\.name) }
    }

    private static func key(_ name: String, _ value: String, _ meaning: String) -> Key {
        Key(name: name, value: value, meaning: meaning)
    }

    static let rule = Section(
        name: "A rule", introduction: "A rule file has the key `rules`, a list of these.",
        keys: [
            key("id", "1 to 64 of A–Z a–z 0–9 . _ -", "Names the rule in alerts; unique among all files. Needed."),
            key("title", "text, or { en: …, zh: … }", "Short, for lists; the id where there is none."),
            key("text", "template, or { en: …, zh: … }", "What happened and what the officer is to do; fields in braces, see Templates."),
            key("on", "noise, vehicle or bodycam", "The kind of device. Needed."),
            key("condition", "a condition", "What must hold. Needed."),
            key("when", "a schedule", "Local hours and days at which the rule is awake. Asleep it sees no reading."),
            key("where", "a scope", "The devices for which it holds; without it all of the kind."),
            key("lifted_by", "list of words", "A permit of the device's site with this `what` puts the rule to sleep while it holds."),
            key("flagged", "skip or count", "Noise readings flagged rain, wind, calibration or fault: `skip` (the default) leaves them out of levels and ends a pending alert."),
            key("severity", "info, warning or critical", "Needed."),
            key("escalate", "list of escalations", "When the severity rises."),
            key("keep_firing_for", "duration", "The alert goes on so long after the condition has ended, and ends with it."),
            key("resolve_after", "duration", "Without a reading for so long it resolves."),
            key("cool_down", "duration", "After an alert's end no new one of the device begins for so long."),
            key("max_rate", "{ alerts: N, per: duration }", "At most so many alerts of this rule begin to fire within the time; the others stay pending."),
            key("inhibited_by", "list of rule ids", "While one of them fires at the same device this rule does not begin to fire."),
            key("group", "a group", "One alert for many devices, see A group."),
            key("latched", "true or false", "Only a person ends the alert."),
            key("task", "{ kind: word }", "The task that a firing alert makes; without it none."),
        ])

    static let condition = Section(
        name: "A condition",
        introduction: "Either one of `all`, `any`, `not`, or a leaf: one of `metric`, `rate`, `changes`, `returns`, `absent_for`, `missed_heartbeats`, `count`, `inside`, `outside`, `entered`, `left` with what belongs to it.",
        keys: [
            key("for", "duration", "How long it must hold before the alert fires; outermost condition only. 0s by default."),
            key("all", "list of conditions", "Every one holds."),
            key("any", "list of conditions", "At least one holds."),
            key("not", "a condition", "It does not hold, and is known not to."),
            key("metric", "a metric of the kind", "Its newest value, or with `window` its value over a sliding window."),
            key("window", "duration", "Sliding in steps of a twentieth. With `metric`: 1s to 24h. With `count`: the time counted over."),
            key("value", "leq, mean, max, min, l10 or l90", "Of a window: by energy and duration (levels, their default), by duration (the default of the others), largest, smallest; of `laeq` and up to 1h also the level exceeded a tenth (`l10`, loud) or nine tenths (`l90`, quiet) of the time: nearest rank, weighted by duration, on 0.1 dB."),
            key("above", "number", "The value is over it. At the level is not over it."),
            key("below", "number", "The value is under it."),
            key("equals", "number, true or false", "The value is exactly this."),
            key("limit", "a standard of the limits file, or fence", "The value is over the limit of the device's zone at the local hour; a window does not reach over the change of day and night. `fence`: over the lowest speed limit of the fences around the vehicle."),
            key("margin", "number", "Added to the limit; may be negative."),
            key("clear_below", "number", "Of `above`: while firing the condition ends only below this."),
            key("clear_above", "number", "Of `below`: while firing the condition ends only above this."),
            key("coverage", "0 to 100", "Percent of the window that readings must cover; 75 by default."),
            key("background", "id of a noise meter", "Of a `leq` window: the meter's own level over the same window is taken away, Ls = 10·lg(10^(0.1·Lm) − 10^(0.1·Lb)). Less than 3 dB over the background nothing is known: no alert begins, one that fires goes on. While the meter covers less than `coverage`, the level counts uncorrected."),
            key("rate", "a metric of the kind", "Its change from one reading to the next, brought to `per`; with `above` or `below`."),
            key("per", "duration", "The time of `rate`; 1m by default."),
            key("changes", "a metric of the kind", "It is another than in the reading before."),
            key("returns", "a metric of the kind", "It is again what it was before it last changed: two senders under one id."),
            key("absent_for", "duration", "Nothing was heard of a device that has been heard of before."),
            key("missed_heartbeats", "whole number", "Nothing was heard for so many periods of the device (60 s for a camera that does not say)."),
            key("count", "a condition", "How often it began to hold within `window`, or of `changes`, `returns`, `entered` and `left`: how often that happened; with `above` or `below`."),
            key("inside", "list of fences, or kind:WORD", "The newest fix lies in one of them."),
            key("outside", "list of fences, or kind:WORD", "It lies in none of them."),
            key("entered", "list of fences, or kind:WORD", "With this fix it has come in."),
            key("left", "list of fences, or kind:WORD", "With this fix it has gone out."),
            key("after", "duration", "Of fences: the other side counts when it has lasted so long; 0s by default."),
            key("accuracy", "distance", "Of fences: fixes less accurate than this say nothing; 50m by default."),
        ])

    static let when = Section(
        name: "A schedule",
        introduction: "All keys of one must hold. With `hours` a moment belongs to the day on which its hours begin: 02:00 of a night from 22:00 to 06:00 is the evening's.",
        keys: [
            key("hours", "day, night, 22:00-06:00, or a list", "Local time; day and night as the limits file has them."),
            key("weekdays", "list of mon … sun, or mon-fri", "Of the day, or of the evening on which the night starts."),
            key("season", "{ from: MM-DD, until: MM-DD }, or a list", "Both days are meant; may go over the new year."),
            key("night_of", "calendar, or a list", "Hours of the calendar's days; the nights where no hours are given."),
            key("night_before", "calendar, or a list", "The same of the evenings before them."),
            key("calendar", "calendar, or a list", "While one of its periods runs."),
            key("before", "duration", "With `calendar`: from so long before."),
            key("after", "duration", "With `calendar`: until so long after."),
            key("not", "a schedule", "It does not hold."),
            key("any", "list of schedules", "One of them holds."),
            key("all", "list of schedules", "Each of them holds."),
        ])

    static let scope = Section(
        name: "A scope", introduction: "Within one list one must fit; every list that is given must.",
        keys: [
            key("devices", "list of ids", "These devices."),
            key("tags", "list of words", "One of the device's tags."),
            key("teams", "list of teams", "The device's team."),
            key("zones", "list of zones", "The device's zone."),
            key("areas", "list of area codes", "The device lies in one of them, or below it."),
            key("sites", "list of site ids", "The device's site."),
            key("site_kinds", "list of words", "The kind of the device's site."),
            key("near", "{ kind: word, within: metres }", "A site of the kind lies so near the device."),
            key("fences", "list of fences, or kind:WORD", "The device's own place, of its record or its site, lies in one of them; where it drives to is a matter of conditions."),
        ])

    static let escalation = Section(
        name: "An escalation", introduction: "One of `after` and `beyond`.",
        keys: [
            key("to", "warning or critical", "The severity then."),
            key("after", "duration", "When the alert has fired for so long."),
            key("beyond", "number", "When the value has passed it, in the direction of the condition."),
        ])

    static let near = Section(
        name: "near", introduction: "",
        keys: [key("kind", "word", "Kind of the site."), key("within", "100m, 2km", "Great circle.")])
    static let maximumRate = Section(
        name: "max_rate", introduction: "",
        keys: [key("alerts", "whole number", "How many."), key("per", "duration", "Within which time.")])
    static let group = Section(
        name: "A group",
        introduction: "One alert for all devices of a subject. Of conditions without a value (fences, changes) the alert's value is the number that is counted. Vehicles in a fence: `inside` with `by: fence`; different vehicles within a time: the same with `keep_firing_for`; how often one came in: `entered` with `within`.",
        keys: [
            key("by", "site, area, team, fence or rule", "The subject: the device's, or the fence of the condition in which it is, or all devices of the rule together."),
            key("at_least", "whole number", "Devices that must fire; 1 by default."),
            key("within", "duration", "Instead of devices that fire, counts how often one began to fire within so long."),
        ])
    static let task = Section(
        name: "task", introduction: "", keys: [key("kind", "word", "Names what is to be done.")])

    /// In the order of the reference.
    public static let sections = [rule, condition, when, scope, escalation, group]
}
