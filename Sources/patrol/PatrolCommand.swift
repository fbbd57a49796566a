import ArgumentParser

/// Each command names itself: a name that the parser makes of a type's costs every start of the program a search through all
/// its conformances.
@main
struct PatrolCommand: AsyncParsableCommand {
    static let version = "0.1.0"

    static let configuration = CommandConfiguration(
        commandName: "patrol",
        abstract: "Turns a city's field telemetry into dispatch tasks.",
        discussion: """
            EXAMPLES
              patrol up --demo                              a simulated district, alerts and tasks on the screen
              patrol run --config patrol.yaml               the pipeline on your broker
              patrol replay recording.txt --into store.db   a recording into a store
              patrol tail                                   alerts and tasks as they come
            """,
        version: version,
        subcommands: [
            UpCommand.self, RunCommand.self, CheckCommand.self, TailCommand.self, QueryCommand.self, SqlCommand.self,
            DoctorCommand.self, RulesCommand.self, AlertsCommand.self, TasksCommand.self, DispatchCommand.self, UnitsCommand.self,
            DevicesCommand.self,
            ReportCommand.self,
            DBCommand.self, RepairCommand.self,
            OutletsCommand.self, ReplayCommand.self, SimulateCommand.self,
        ])
}
