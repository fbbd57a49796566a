/// Boxes sorted into the cells of a grid over all of them: which may hold a place. Flat and fixed once built.
struct BoxGrid: ~Copyable, Sendable {
    private let around: FixedBox
    private let shiftX: Int64
    private let shiftY: Int64
    private let columns: Int
    /// The items of cell `i` are `items[starts[i]..<starts[i + 1]]`, ascending.
    private let starts: FlatTable<Int32>
    private let items: FlatTable<Int32>

    private static let mostCellsPerSide = 256

    init(_ boxes: [FixedBox]) {
        guard let first = boxes.first else {
            around = FixedBox(minX: 0, minY: 0, maxX: -1, maxY: -1)
            (shiftX, shiftY, columns) = (0, 0, 0)
            starts = FlatTable([])
            items = FlatTable([])
            return
        }
        let around = boxes.dropFirst().reduce(first) { $0.union($1) }
        // Some four cells a box, of a power of two in width; coarser where boxes are large beside the cells, so that
        // memory goes with the boxes.
        let side = min(BoxGrid.mostCellsPerSide, 2 * Int(Double(boxes.count).squareRoot().rounded(.up)))
        func shift(_ width: Int64) -> Int64 {
            var shift: Int64 = 0
            while width >> shift >= Int64(side) { shift += 1 }
            return shift
        }
        var x = shift(Int64(around.maxX) - Int64(around.minX))
        var y = shift(Int64(around.maxY) - Int64(around.minY))
        func cells(_ box: FixedBox) -> (columns: ClosedRange<Int>, rows: ClosedRange<Int>) {
            func cell(_ value: Int32, _ from: Int32, _ shift: Int64) -> Int { Int((Int64(value) - Int64(from)) >> shift) }
            return (
                cell(box.minX, around.minX, x)...cell(box.maxX, around.minX, x),
                cell(box.minY, around.minY, y)...cell(box.maxY, around.minY, y)
            )
        }
        while boxes.reduce(0, { $0 + cells($1).columns.count * cells($1).rows.count }) > 64 * boxes.count {
            x += 1
            y += 1
        }
        let columns = Int((Int64(around.maxX) - Int64(around.minX)) >> x) + 1
        let rows = Int((Int64(around.maxY) - Int64(around.minY)) >> y) + 1
        var lists: [[Int32]] = Array(repeating: [], count: columns * rows)
        for (number, box) in boxes.enumerated() {
            let (across, up) = cells(box)
            for row in up { for column in across { lists[row * columns + column].append(Int32(number)) } }
        }
        var starts: [Int32] = [0]
        for list in lists { starts.append(starts[starts.count - 1] + Int32(list.count)) }
        self.around = around
        (shiftX, shiftY, self.columns) = (x, y, columns)
        self.starts = FlatTable(starts)
        items = FlatTable(lists.flatMap { $0 })
    }

    /// What ``item(_:)`` takes, of the cell that holds the place.
    @inline(__always)
    func entries(at place: FixedPosition) -> Range<Int> {
        guard around.holds(place) else { return 0..<0 }
        let column = Int((Int64(place.x) - Int64(around.minX)) >> shiftX)
        let row = Int((Int64(place.y) - Int64(around.minY)) >> shiftY)
        let cell = row * columns + column
        return Int(starts[cell])..<Int(starts[cell + 1])
    }

    @inline(__always)
    func item(_ entry: Int) -> Int { Int(items[entry]) }
}
