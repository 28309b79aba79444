import Glibc
import Processes
import Synchronization

/// A program that serves for as long as the tests run, and is ended with them.
package final class ServerProcess: Sendable {
    private let process: ChildProcess

    /// Every server that was started, to be ended when this process ends.
    private static let all = Mutex<[ChildProcess]>([])
    private static let endWithTests: Void = {
        atexit {
            for process in ServerProcess.all.withLock({ $0 }).reversed() { process.signal(SIGKILL) }
        }
    }()

    /// Starts a program; what it says goes to a file.
    package init(_ arguments: [String], environment: [String: String] = [:], log: String) throws {
        _ = Self.endWithTests
        let null = open("/dev/null", O_RDWR | O_CLOEXEC)
        let output = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        defer {
            close(null)
            close(output)
        }
        // A run of tests that crashes leaves its servers behind; none of them lives longer than this.
        var start = ChildProcess.Start(
            ["timeout", "-s", "KILL", "1800"] + arguments,
            environment: Environment.all + environment.map { "\($0.key)=\($0.value)" },
            descriptors: [null, output, output])
        start.leadsGroup = true
        let process = try ChildProcess(start)
        Self.all.withLock { $0.append(process) }
        self.process = process
    }

    /// Ends the program.
    package func stop() {
        process.signal(SIGKILL)
        _ = process.wait()
        Self.all.withLock { $0.removeAll { $0.pid == process.pid } }
    }

    /// A port of this machine that nobody listens on.
    package static func freePort() -> UInt16 {
        let probe = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        defer { close(probe) }
        var address = loopback(0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        return withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                precondition(bind(probe, address, length) == 0, "no free port")
                getsockname(probe, address, &length)
            }
            return UInt16(bigEndian: pointer.pointee.sin_port)
        }
    }

    /// Waits until somebody listens on a port.
    package static func awaitPort(_ port: UInt16, seconds: Int = 60) throws {
        for _ in 0..<(seconds * 50) {
            let probe = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
            defer { close(probe) }
            var address = loopback(port)
            let connected = withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    connect(probe, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
                }
            }
            if connected { return }
            usleep(20_000)
        }
        throw ServerError("nothing listens on port \(port)")
    }

    private static func loopback(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return address
    }
}

/// Why a server of the tests does not serve.
package struct ServerError: Error, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}
