import Foundation
import Telemetry
import Testing

@testable import Ingest

private func noise(_ text: String, _ change: (inout RecordingOptions) -> Void = { _ in }) throws -> Reader {
    try Reader(text) { options in
        options.gateway = "g"
        change(&options)
    }
}

private func payloads(_ kind: Kind, _ text: String) throws -> [String] {
    try Reader(text) { $0.kind = kind }.lines.map(\.payload)
}

@Suite struct RecordingCSVTests {
    @Test func rowsBecomeNativePayloads() throws {
        let reader = try noise(
            """
            device,ts,laeq_db,lmax,battery_pct,note,seq
            m-1,2022-07-31T21:00:00Z,46,70.25,,loud,1
            m-2,1659301200000,1e-1,,99.5,,2.0
            """)
        #expect(reader.problems.isEmpty)
        #expect(
            reader.lines == [
                Reader.Line("patrol/v1/in/g/noise/m-1", #"{"ts":"2022-07-31T21:00:00Z","laeq":46,"lmax":70.25,"seq":1}"#),
                Reader.Line("patrol/v1/in/g/noise/m-2", #"{"ts":1659301200000,"laeq":1e-1,"battery":99.5,"seq":2}"#),
            ])
    }

    @Test func digitsArePassedOnExactly() throws {
        let cells = [
            ("0.1", "0.1"), ("+5", "5"), (".5", "0.5"), ("-.25", "-0.25"), ("007.50", "7.50"), ("5.", "5"), ("-0", "-0"),
            ("1E5", "1E5"), ("1e+5", "1e+5"), ("3.141592653589793238462643383279", "3.141592653589793238462643383279"),
            (" 42 ", "42"), ("00", "0"),
        ]
        for (cell, number) in cells { #expect(try noise("device,ts,laeq\nm,1,\(cell)").lines.first?.payload == #"{"ts":1,"laeq":\#(number)}"#) }
        for cell in ["abc", "1,5", "nan", "inf", "0x10", "1e", "--1", "1.2.3", "-", ".", "+"] where !cell.contains(",") {
            #expect(try noise("device,ts,laeq\nm,1,\(cell)").lines.first?.payload == #"{"ts":1,"laeq":"\#(cell)"}"#)
        }
    }

    @Test func everyDoubleComesBack() throws {
        var random = SystemRandomNumberGenerator()
        var text = "device,ts,laeq\n"
        var values: [Double] = []
        for _ in 0..<2000 {
            let value = Double(bitPattern: random.next())
            guard value.isFinite else { continue }
            values.append(value)
            text += "m,1,\(value)\n"
        }
        let lines = try noise(text).lines
        #expect(lines.count == values.count)
        for (line, value) in zip(lines, values) {
            let written = line.payload.dropFirst(#"{"ts":1,"laeq":"#.count).dropLast()
            #expect(Double(written)?.bitPattern == value.bitPattern, "\(line.payload)")
        }
    }

    @Test func cellsOfOtherTypes() throws {
        #expect(
            try payloads(.vehicle, "device,ts,lat,lon,ignition,sos,sat\nv,1,30,120,true,0,7.0\nv,2,30,120,False,1,x\nv,3,30,120,yes,,7.5")
                == [
                    #"{"ts":1,"lat":30,"lon":120,"ignition":true,"sos":false,"sat":7}"#,
                    #"{"ts":2,"lat":30,"lon":120,"ignition":false,"sos":true,"sat":"x"}"#,
                    #"{"ts":3,"lat":30,"lon":120,"ignition":"yes","sat":7.5}"#,
                ])
        #expect(
            try payloads(.bodycam, "device,ts,officer,boot,fix_ts\nc,1,王伟,17,2024-06-07T00:00:00Z\nc,2,\"a \"\"b\"\", c\",x\\y,1659301200000")
                == [
                    #"{"ts":1,"officer":"王伟","boot":"17","fix_ts":"2024-06-07T00:00:00Z"}"#,
                    #"{"ts":2,"officer":"a \"b\", c","boot":"x\\y","fix_ts":1659301200000}"#,
                ])
        #expect(
            try payloads(.noise, "device,ts,laeq,flags\nm,1,50,rain\nm,2,50,rain|wind\nm,3,50,\"[\"\"fault\"\", \"\"rain\"\"]\"\nm,4,50,\n")
                == [
                    #"{"ts":1,"laeq":50,"flags":["rain"]}"#, #"{"ts":2,"laeq":50,"flags":["rain","wind"]}"#,
                    #"{"ts":3,"laeq":50,"flags":["fault","rain"]}"#, #"{"ts":4,"laeq":50}"#,
                ])
        #expect(try payloads(.bodycam, "device,ts,officer\nc,1,a\tb") == [#"{"ts":1,"officer":"a\u0009b"}"#])
    }

    @Test func batteryStatusAsAndroidHasIt() throws {
        let status = ["2", "5", "3", "4", "-1", "-3", "1", "", "2.0", "external"]
        let text = "device,ts,battery_pct,battery_status,rssi_dbm\n" + status.map { "p,1,50,\($0),-70\n" }.joined()
        let charging = ["true", "true", "false", "false", nil, nil, nil, nil, "true", nil]
        #expect(
            try payloads(.bodycam, text)
                == charging.map { #"{"ts":1,"battery":50"# + ($0.map { ",\"charging\":\($0)" } ?? "") + #","rssi":-70}"# })
        // Says nothing of a noise meter.
        #expect(try payloads(.noise, "device,ts,laeq,battery_status\nm,1,50,2") == [#"{"ts":1,"laeq":50}"#])
    }

    @Test func arrivalIsKeptAndABadOneTold() throws {
        let reader = try noise(
            "device,ts,laeq,received_ts\nm,1,50,2018-05-03T16:00:17.250Z\nm,2,50,\nm,3,50,1525363217250\nm,4,50,soon\nm,5,50,7\n")
        #expect(reader.lines.map(\.received) == [1_525_363_217_250, nil, 1_525_363_217_250, nil, nil])
        #expect(
            reader.problems == [
                "FILE:5: received_ts is no time; the row is taken without it",
                "FILE:6: received_ts is no time; the row is taken without it",
            ])
    }

    @Test func rowsThatAreNoMessages() throws {
        let reader = try noise("device,ts,laeq\nm,1\nm,1,50,7\n,1,50\nm,\"1,50\nm,1,50,,\nm,1,50 \r\n")
        #expect(reader.lines.count == 2)
        #expect(
            reader.problems == [
                "FILE:2: 2 cells where the header has 3", "FILE:3: more cells than the header's 3",
                "FILE:4: the device is missing", "FILE:5: a quoted cell has no end on its line",
            ])
    }

    @Test func thePeriodOfTheOptionsStandsWhereTheRowSaysNone() throws {
        let text = "device,ts,laeq,period_s\nm,1,50,\nm,2,50,10\n"
        #expect(
            try noise(text) { $0.period = "60" }.lines.map(\.payload)
                == [#"{"ts":1,"laeq":50,"period_s":60}"#, #"{"ts":2,"laeq":50,"period_s":10}"#])
    }

    @Test func headersThatCannotBeMeant() throws {
        func said(_ header: String, _ kind: Kind = .noise) -> String {
            let error = #expect(throws: RecordingError.self) { try Reader(header + "\n") { $0.kind = kind } }
            return error.map { String($0.description.drop { $0 != ":" }.dropFirst()) } ?? ""
        }
        #expect(said("device,ts,lat,lon") == "1: no column gives laeq, which noise needs; is --kind right?")
        #expect(said("device,ts,laeq", .vehicle) == "1: no column gives lat, lon, which vehicle needs; is --kind right?")
        #expect(said("device,ts,laeq", .bodycam) == "1: no column gives a value of bodycam; is --kind right?")
        #expect(said("device,ts,laeq,laeq_db") == "1: two columns give laeq; keep one of them")
        #expect(said("device,ts,charging,battery_status", .bodycam) == "1: two columns give charging; keep one of them")
        #expect(said("device,device,ts,laeq") == "1: the header names device twice; keep one of the columns")
        #expect(try noise("\u{FEFF}\"device\", ts ,laeq\r\nm,1,50\r\n").lines.map(\.payload) == [#"{"ts":1,"laeq":50}"#])
    }
}
