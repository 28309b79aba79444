/// A running service that speaks S3.
package struct S3Server: Sendable {
    package let url: String
    package let accessKey: String
    package let secretKey: String
    private let processes: [ServerProcess]

    init(url: String, accessKey: String = "ACCESS", secretKey: String = "SECRET", processes: [ServerProcess]) {
        self.url = url
        self.accessKey = accessKey
        self.secretKey = secretKey
        self.processes = processes
    }

    /// What a program needs in its environment to find the service.
    package var environment: [String: String] {
        [
            "AWS_ACCESS_KEY_ID": accessKey, "AWS_SECRET_ACCESS_KEY": secretKey, "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": url, "AWS_EC2_METADATA_DISABLED": "true",
        ]
    }

    package func stop() {
        for process in processes.reversed() { process.stop() }
    }

    /// `rclone serve s3` over a folder, whose folders are the buckets.
    package static func rclone(_ folder: String, log: String) throws -> S3Server {
        let port = ServerProcess.freePort()
        let process = try ServerProcess(
            [
                "rclone", "serve", "s3", "--auth-key", "ACCESS,SECRET", "--addr", "127.0.0.1:\(port)", "--config",
                "/dev/null",
                folder,
            ], log: log)
        try ServerProcess.awaitPort(port)
        return S3Server(url: "http://127.0.0.1:\(port)", processes: [process])
    }

    /// `moto_server`, which has newer parts of S3, and checks no signatures.
    package static func moto(log: String) throws -> S3Server {
        let port = ServerProcess.freePort()
        let process = try ServerProcess(["moto_server", "-H", "127.0.0.1", "-p", "\(port)"], log: log)
        try ServerProcess.awaitPort(port)
        return S3Server(url: "http://127.0.0.1:\(port)", processes: [process])
    }
}
