import ArgumentParser
import ObjfsConfiguration
import Processes
import S3

/// The options of every command that reads from a store.
struct StoreArguments: ParsableArguments {
    @Option(help: ArgumentHelp("Where the service is, if it is not AWS", valueName: "url"))
    var endpointUrl: String?

    @Option(help: ArgumentHelp("The region of the bucket", valueName: "region"))
    var region: String?

    @Option(help: ArgumentHelp("Which profile of the AWS configuration to use", valueName: "name"))
    var profile: String?

    @Flag(help: "Send no credentials")
    var noSignRequest = false

    @Flag(help: "Allow plain HTTP to a host other than this one")
    var allowHttp = false

    @Option(
        help: ArgumentHelp("Whether the bucket stands in the path or in the host: path, virtual", valueName: "style"))
    var addressingStyle: AddressingStyle?

    @Flag(name: [.customShort("v"), .long], help: "Log each request to standard error")
    var verbose = false

    /// The options as the configuration takes them.
    var options: StoreOptions {
        var options = StoreOptions()
        options.endpointURL = endpointUrl
        options.region = region
        options.profile = profile
        options.signsNothing = noSignRequest
        options.allowsPlainHTTP = allowHttp
        options.addressing = addressingStyle.map { $0 == .path ? .path : .virtual }
        return options
    }

    /// The stores that these options and the environment mean.
    var factory: StoreFactory { factory(.own) }

    /// Where the service is; empty if it is AWS.
    var service: String { (try? factory.settings())?.endpointURL?.value ?? "" }

    /// The stores, for somebody else than the environment says.
    func factory(_ identity: StoreIdentity) -> StoreFactory { factory(identity, options) }

    /// The stores of a service, whatever the environment says; an empty address is AWS.
    ///
    /// An address on the command line counts more.
    func factory(at service: String) -> StoreFactory {
        var options = options
        options.endpointURL = endpointUrl ?? (service.isEmpty ? nil : service)
        options.ignoresConfiguredEndpoints = true
        return factory(.own, options)
    }

    private func factory(_ identity: StoreIdentity, _ options: StoreOptions) -> StoreFactory {
        let report: @Sendable (String) -> Void = { Messages.warn($0) }
        return StoreFactory(
            options, environment: EnvironmentVariables.all, identity: identity, report: verbose ? report : nil)
    }

    /// The options as words of a command line.
    var words: [String] {
        var words: [String] = []
        if let endpointUrl { words.append("--endpoint-url=\(endpointUrl)") }
        if let region { words.append("--region=\(region)") }
        if let profile { words.append("--profile=\(profile)") }
        if noSignRequest { words.append("--no-sign-request") }
        if allowHttp { words.append("--allow-http") }
        if let addressingStyle { words.append("--addressing-style=\(addressingStyle.rawValue)") }
        if verbose { words.append("--verbose") }
        return words
    }
}

enum AddressingStyle: String, ExpressibleByArgument, CaseIterable {
    case path, virtual
}

/// The environment by name.
enum EnvironmentVariables {
    /// `NAME=VALUE` each, as a started program gets them.
    static var words: [String] { Environment.all }

    static var all: [String: String] {
        var values: [String: String] = [:]
        for entry in Environment.all {
            let parts = entry.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if parts.count == 2 { values[String(parts[0])] = String(parts[1]) }
        }
        return values
    }
}
