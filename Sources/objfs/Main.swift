import ObjfsCommands

/// The program; all that it does is in ObjfsCommands.
@main
enum Main {
    static func main() {
        Objfs.run(Array(CommandLine.arguments.dropFirst()))
    }
}
