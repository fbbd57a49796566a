/// An area of the command chain: 区 district, 镇街 town, 村社 village, 网格 grid.
public struct Area: Sendable, Equatable {
    /// From the widest to the narrowest.
    public enum Level: String, Sendable, CaseIterable, Comparable {
        case city, district, town, village, grid

        public static func < (a: Level, b: Level) -> Bool { a.rank < b.rank }
        private var rank: Int { Level.allCases.firstIndex(of: self)! }
    }

    /// GB/T 2260 and what extends it: 6 digits a district, 9 a town, 12 a village, 14 a grid.
    public var code: String
    public var name: String
    public var level: Level
    /// Code of the area above, nil at the top.
    public var parent: String?
    /// Its boundary, where the file has it.
    public var shape: Shape?

    public init(code: String, name: String, level: Level, parent: String? = nil, shape: Shape? = nil) {
        self.code = code
        self.name = name
        self.level = level
        self.parent = parent
        self.shape = shape
    }

    /// The code without the zeros that fill it up: 330110012000 is the town 330110012, 330110000000 the district 330110.
    public static func shortCode(_ code: String) -> String {
        var code = Substring(code)
        while code.count > 6, code.count % 3 == 0, code.hasSuffix("000") { code = code.dropLast(3) }
        return String(code)
    }
}

/// The areas as a tree, numbered so that an area with everything below it is one range of numbers.
public struct AreaTree: Sendable {
    /// In the order of the tree: each area is followed by all that lies below it.
    public let areas: [Area]
    private let ends: [Int]
    private let numberOfCode: [String: Int]
    private let index: ShapeIndex
    private let areaOfShape: [Int]

    public static let empty = AreaTree(ordered: [], ends: [])

    /// - Throws: what is wrong with each area, by its position in `areas`.
    public init(_ areas: [Area]) throws(AreaFaults) {
        var faults: [(area: Int, kind: AreaFaults.Kind)] = []
        var numberOfCode: [String: Int] = [:]
        for (number, area) in areas.enumerated() {
            let code = Area.shortCode(area.code)
            if let other = numberOfCode[code] { faults.append((number, .duplicate(of: other))) } else { numberOfCode[code] = number }
        }
        var children: [[Int]] = Array(repeating: [], count: areas.count)
        var roots: [Int] = []
        var parents: [Int?] = []
        for (number, area) in areas.enumerated() {
            let parent = area.parent.map(Area.shortCode)
            parents.append(parent.flatMap { numberOfCode[$0] })
            if let parent = parents[number] {
                children[parent].append(number)
            } else {
                roots.append(number)
                if parent != nil { faults.append((number, .unknownParent)) }
            }
        }
        var ordered: [Area] = []
        var ends: [Int] = []
        func visit(_ number: Int) {
            let place = ordered.count
            ordered.append(areas[number])
            ends.append(0)
            for child in children[number] { visit(child) }
            ends[place] = ordered.count
        }
        // Whoever goes up from an area of a circle comes back to it.
        var isInCircle = false
        for number in areas.indices {
            var above = parents[number]
            var steps = 0
            while let next = above, next != number, steps <= areas.count {
                above = parents[next]
                steps += 1
            }
            if above == number {
                isInCircle = true
                faults.append((number, .circle))
            }
        }
        // Levels fall on the way down, which bounds the depth of `visit` too.
        for (number, area) in areas.enumerated() where !isInCircle {
            guard let parent = parents[number], area.level <= areas[parent].level else { continue }
            faults.append((number, .level(parent: areas[parent].level)))
        }
        guard faults.isEmpty else { throw AreaFaults(all: faults.sorted { $0.area < $1.area }) }
        for root in roots { visit(root) }
        self.init(ordered: ordered, ends: ends)
    }

    private init(ordered: [Area], ends: [Int]) {
        areas = ordered
        self.ends = ends
        numberOfCode = Dictionary(
            ordered.enumerated().map { (Area.shortCode($0.element.code), $0.offset) }, uniquingKeysWith: { first, _ in first })
        // The narrowest first, so that the first that holds a place is the narrowest.
        let shaped = ordered.indices.filter { ordered[$0].shape != nil }.sorted { (ordered[$1].level, $0) < (ordered[$0].level, $1) }
        index = ShapeIndex(shaped.compactMap { ordered[$0].shape })
        areaOfShape = shaped
    }

    public var isEmpty: Bool { areas.isEmpty }

    /// The number of an area by its code, filled up with zeros or not.
    public func number(ofCode code: String) -> Int? { numberOfCode[Area.shortCode(code)] }

    public func area(ofCode code: String) -> Area? { number(ofCode: code).map { areas[$0] } }

    /// Names by code without the zeros that fill it up.
    public var names: [String: String] {
        Dictionary(areas.map { (Area.shortCode($0.code), $0.name) }, uniquingKeysWith: { first, _ in first })
    }

    /// The area and everything below it.
    public func below(_ number: Int) -> Range<Int> { number..<ends[number] }

    /// Whether the area of one code is that of another or lies below it.
    public func isIn(_ code: String, _ other: String) -> Bool {
        guard let number = number(ofCode: code), let above = self.number(ofCode: other) else { return false }
        return below(above).contains(number)
    }

    /// The way from the top to the area, both included.
    public func path(to number: Int) -> [Area] { areas.indices.filter { below($0).contains(number) }.map { areas[$0] } }

    /// The narrowest area whose boundary holds the place, as a number; nil where none does.
    public func number(at position: Position) -> Int? {
        guard let place = FixedPosition(position) else { return nil }
        let shape = index.first(at: place)
        return shape < 0 ? nil : areaOfShape[shape]
    }
}

/// All that is wrong with a list of areas.
public struct AreaFaults: Error, Sendable {
    public enum Kind: Sendable, Equatable {
        case duplicate(of: Int)
        case unknownParent
        /// The area lies below itself.
        case circle
        /// The area above is no wider.
        case level(parent: Area.Level)
    }

    public var all: [(area: Int, kind: Kind)]
}
