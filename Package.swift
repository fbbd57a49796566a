// swift-tools-version: 6.2
import PackageDescription

/// Every target: Swift 6 language mode, strict memory safety.
let strict: [SwiftSetting] = [.swiftLanguageMode(.v6), .strictMemorySafety()]
/// Targets that handle each reading: exclusive access is checked at run time in debug builds only (a tenth of the
/// processor's time otherwise); each of their classes is owned by one thread.
let hot: [SwiftSetting] = strict + [
    .unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release))
]

let package = Package(
    name: "patrol",
    products: [.executable(name: "patrol", targets: ["patrol"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: [
        .systemLibrary(name: "CMosquitto", pkgConfig: "libmosquitto", providers: [.apt(["libmosquitto-dev"])]),
        .target(name: "Telemetry", swiftSettings: hot),
        .target(name: "Ring", swiftSettings: hot),
        .target(name: "Mosquitto", dependencies: ["CMosquitto", "Ring"], swiftSettings: strict),
        .target(name: "Ingest", dependencies: ["Telemetry", "Ring"], swiftSettings: hot),
        .target(name: "Rules", dependencies: ["Telemetry"], swiftSettings: hot),
        .target(name: "Rollups", dependencies: ["Telemetry"], swiftSettings: hot),
        .target(
            name: "Store",
            dependencies: [
                "Telemetry",
                .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "GRDBSQLite", package: "GRDB.swift"),
            ],
            swiftSettings: hot),
        .target(name: "Reports", dependencies: ["Telemetry"], swiftSettings: strict),
        .target(name: "Dispatching", dependencies: ["Telemetry"], swiftSettings: strict),
        .target(
            name: "Delivery",
            dependencies: [
                "Telemetry", "Mosquitto", "Store",
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
            ],
            swiftSettings: strict),
        .target(
            name: "Settings",
            dependencies: ["Telemetry", "Rules", "Dispatching", .product(name: "Yams", package: "Yams")],
            swiftSettings: strict),
        .target(
            name: "API",
            dependencies: [
                "Telemetry", "Store", "Delivery",
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict),
        .target(
            name: "Pipeline",
            dependencies: [
                "Telemetry", "Ring", "Mosquitto", "Ingest", "Rules", "Rollups", "Store", "Dispatching", "Delivery",
                "API", "Settings",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            swiftSettings: hot),
        .target(
            name: "Simulation", dependencies: ["Telemetry", "Ingest", "Mosquitto"], swiftSettings: strict),
        .executableTarget(
            name: "patrol",
            dependencies: [
                "API", "CMosquitto", "Delivery", "Ingest", "Mosquitto", "Pipeline", "Reports", "Rollups", "Rules", "Settings", "Simulation", "Store",
                "Telemetry",
                .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: strict),
        .testTarget(name: "TelemetryTests", dependencies: ["Telemetry"]),
        .testTarget(name: "RingTests", dependencies: ["Ring"]),
        .testTarget(name: "MosquittoTests", dependencies: ["Mosquitto", "Ring"]),
        .testTarget(name: "RulesTests", dependencies: ["Rules", "Telemetry"]),
        .testTarget(name: "DispatchingTests", dependencies: ["Dispatching", "Telemetry"]),
        .testTarget(name: "ReportsTests", dependencies: ["Reports", "Telemetry"], exclude: ["Goldens"]),
        .testTarget(name: "RollupsTests", dependencies: ["Rollups", "Telemetry"]),
        .testTarget(
            name: "PipelineTests",
            dependencies: [
                "Pipeline", "Settings", "Store", "Rules", "Ring", "Telemetry", .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "Logging", package: "swift-log"),
            ]),
        .testTarget(
            name: "StoreReaderTests", dependencies: ["Store", "Telemetry", .product(name: "GRDB", package: "GRDB.swift")]),
        .testTarget(
            name: "APITests",
            dependencies: [
                "API", "Delivery", "Store", "Telemetry", .product(name: "HummingbirdTesting", package: "hummingbird"),
                .product(name: "GRDB", package: "GRDB.swift"),
            ]),
        .testTarget(
            name: "DeliveryTests",
            dependencies: ["Delivery", "Store", "Telemetry", .product(name: "GRDB", package: "GRDB.swift")]),
        .testTarget(name: "SettingsTests", dependencies: ["Settings", "Rules", "Telemetry"]),
        .testTarget(name: "IngestTests", dependencies: ["Ingest", "Telemetry", "Ring"]),
        .testTarget(name: "RecordingTests", dependencies: ["Ingest", "Telemetry"]),
        .testTarget(name: "SimulationTests", dependencies: ["Simulation", "Telemetry", "Ingest"]),
        .executableTarget(
            name: "dispatch-bench", dependencies: ["Dispatching", "Telemetry"], path: "Tests/DispatchBench"),
        .executableTarget(name: "ring-stress", dependencies: ["Ring"], path: "Tests/RingStress"),
        .executableTarget(name: "fence-bench", dependencies: ["Telemetry"], path: "Tests/FenceBench"),
        .executableTarget(name: "rule-bench", dependencies: ["Rules", "Settings", "Telemetry"], path: "Tests/RuleBench"),
    ]
)
