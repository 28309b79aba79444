import Glibc
import Processes

/// OpenSSH's server on this machine, which lets in whoever has its one key, and a program `ssh` that has it.
package struct SSHServer: Sendable {
    /// A folder whose `ssh` finds the server whatever host is named, to stand first in `PATH`.
    package let programs: String
    private let process: ServerProcess

    /// Starts a server.
    ///
    /// - Parameters:
    ///   - folder: Where its keys and settings are put.
    ///   - environment: What commands find in their environment there.
    package init(_ folder: String, environment: [String: String]) throws {
        for name in ["host", "user"] {
            let made = try Program.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "\(folder)/\(name)"])
            guard made.isSuccess else { throw ServerError("no key for ssh: \(made.standardError)") }
        }
        let port = ServerProcess.freePort()
        // It refuses to start without this folder, which Debian makes at boot.
        mkdir("/run/sshd", 0o755)
        let variables = environment.map { "\($0.key)=\($0.value)" }.joined(separator: " ")
        try Self.write(
            """
            Port \(port)
            ListenAddress 127.0.0.1
            HostKey \(folder)/host
            AuthorizedKeysFile \(folder)/user.pub
            PidFile none
            StrictModes no
            UsePAM no
            PermitRootLogin yes
            SetEnv \(variables)

            """, to: folder + "/sshd_config")
        try Self.write(
            """
            Host *
                HostName 127.0.0.1
                Port \(port)
                IdentityFile \(folder)/user
                IdentitiesOnly yes
                StrictHostKeyChecking no
                UserKnownHostsFile /dev/null
                LogLevel ERROR

            """, to: folder + "/ssh_config")
        programs = folder + "/programs"
        mkdir(programs, 0o755)
        try Self.write("#!/bin/sh\nexec /usr/bin/ssh -F '\(folder)/ssh_config' \"$@\"\n", to: programs + "/ssh")
        chmod(programs + "/ssh", 0o755)
        process = try ServerProcess(
            ["/usr/sbin/sshd", "-D", "-e", "-f", folder + "/sshd_config"], log: folder + "/sshd.log")
        try ServerProcess.awaitPort(port)
    }

    package func stop() { process.stop() }

    private static func write(_ text: String, to path: String) throws {
        guard let file = fopen(path, "w") else { throw ServerError("\(path) can't be written") }
        fputs(text, file)
        fclose(file)
    }
}
