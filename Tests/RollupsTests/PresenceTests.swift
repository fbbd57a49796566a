import Telemetry
import Testing

@testable import Rollups

@Suite struct PresenceTests {
    private static func fix(_ seconds: Int64, kind: Kind = .bodycam, lat: Double? = nil, recording: Bool = false, places: [Int] = []) -> PresenceFix {
        var reading = Reading(kind: kind, periodMilliseconds: 60_000)
        reading.ts = Timestamp(milliseconds: seconds * 1000)
        if let lat {
            reading.set(kind == .bodycam ? BodycamValue.lat : VehicleValue.lat, lat)
            reading.set(kind == .bodycam ? BodycamValue.lon : VehicleValue.lon, 120)
        }
        if recording { reading.setBit(1, true) }
        return PresenceFix(reading) { _ in places }
    }

    private static func windows(_ edges: Int64...) -> [(from: Timestamp, until: Timestamp)] {
        zip(edges, edges.dropFirst()).map { (Timestamp(milliseconds: $0 * 1000), Timestamp(milliseconds: $1 * 1000)) }
    }

    @Test func aStepIsDividedAtTheEndOfAShift() {
        var fold = PresenceFold(kind: .bodycam, windows: Self.windows(0, 100, 300))
        for seconds: Int64 in [-30, 30, 90, 150, 210, 600, 660] { fold.add(Self.fix(seconds, recording: seconds == 90)) }
        #expect(fold.sums.map(\.onlineMilliseconds) == [100_000, 110_000])
        #expect(fold.sums.map(\.recordingMilliseconds) == [10_000, 50_000])
    }

    @Test func whoIsSilentForLongerThanAllowedIsOffline() {
        var fold = PresenceFold(kind: .bodycam, windows: Self.windows(0, 10_000))
        for seconds: Int64 in [0, 180, 361, 400] { fold.add(Self.fix(seconds)) }
        #expect(fold.sums[0].onlineMilliseconds == 219_000)
    }

    @Test func jitterIsNoDistanceAndPlacesCountByTheFixBefore() {
        var fold = PresenceFold(kind: .vehicle, windows: Self.windows(0, 1000))
        // 0.0001° of latitude are 11 m, 0.01° 1.1 km.
        fold.add(Self.fix(0, kind: .vehicle, lat: 30))
        fold.add(Self.fix(60, kind: .vehicle, lat: 30.0001))
        fold.add(Self.fix(120, kind: .vehicle, lat: 30.01, places: [7]))
        fold.add(Self.fix(180, kind: .vehicle, lat: 30.02, places: [7]))
        fold.add(Self.fix(240, kind: .vehicle, lat: 30.03))
        fold.add(Self.fix(300, kind: .vehicle, lat: 30.02, places: [7]))
        #expect(abs(fold.sums[0].distanceMetres - 4 * 1108.5) < 10)
        #expect(fold.sums[0].inside == [7: 120_000])
        #expect(fold.sums[0].visits == [7: 2])
        #expect(abs(fold.sums[0].metresInside[7]! - 3 * 1108.5) < 8)
    }
}
