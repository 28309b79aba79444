package import ArgumentParser

/// The program: its subcommands, and how it ends.
package struct Objfs: ParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "objfs",
        abstract: "Run grep, awk, Python and your own programs over a bucket, without copying it",
        discussion: "Each command has a manual page: objfs-run(1) for 'objfs run', and so on.",
        version: "objfs \(Version.string)",
        groupedSubcommands: [
            CommandGroup(name: "Mounting", subcommands: [MountCommand.self, UnmountCommand.self, RecoverCommand.self]),
            CommandGroup(
                name: "Running",
                subcommands: [
                    RunCommand.self, ExecCommand.self, JobsCommand.self, WorkerCommand.self, ChunksCommand.self,
                ]),
            CommandGroup(
                name: "Objects",
                subcommands: [
                    ListCommand.self, CatCommand.self, HeadCommand.self, TailCommand.self, CopyCommand.self,
                    MoveCommand.self, SyncCommand.self,
                    RemoveCommand.self, MakeFolderCommand.self, TouchCommand.self, DiskUsageCommand.self,
                    StatCommand.self, IndexCommand.self, PresignCommand.self, DoctorCommand.self,
                ]),
        ]
    )

    package init() {}

    /// Runs the program and ends the process.
    ///
    /// - Parameter arguments: What stands after the program's name.
    package static func run(_ arguments: [String]) -> Never {
        do {
            if Array(arguments.prefix(2)) == ["mount", "--helper"] { MountHelper.run(Array(arguments.dropFirst(2))) }
            var command = try parseAsRoot(RunCommand.markingCommand(arguments))
            try command.run()
            ExitStatus.success.exit()
        } catch let error as ExitStatusError {
            error.status.exit()
        } catch let failure as Failure {
            Messages.write(failure)
            failure.status.exit()
        } catch {
            end(with: error)
        }
    }

    /// Ends the process as the parser's errors ask: help and version succeed, all else is wrong usage.
    private static func end(with error: any Error) -> Never {
        guard exitCode(for: error) != .success else {
            Messages.print(fullMessage(for: error))
            ExitStatus.success.exit()
        }
        Messages.write(Failure(usage: message(for: error)))
        ExitStatus.usage.exit()
    }
}

/// Which version of objfs this is.
package enum Version {
    package static let string = "0.1.0"
}
