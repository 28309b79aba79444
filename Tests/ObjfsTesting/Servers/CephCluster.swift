import Glibc
import Processes
import Synchronization

/// Ceph's object gateway, with a cluster of one monitor and one disk, all in one folder.
package enum CephCluster {
    private static let started = Mutex<Result<S3Server, any Error>?>(nil)

    /// The one gateway of all tests of this process; started for the first that asks, which takes some seconds.
    package static func shared() throws -> S3Server {
        try started.withLock { started in
            let result = started ?? Result { try start() }
            started = result
            return try result.get()
        }
    }

    private static func start() throws -> S3Server {
        var template = Array("/tmp/objfs-ceph-XXXXXX".utf8CString)
        guard let made = mkdtemp(&template) else { throw ServerError("no folder for Ceph") }
        let folder = String(cString: made)
        removeAtExit(folder)
        for name in ["mon", "osd", "rgw", "run", "log"] { mkdir(folder + "/" + name, 0o755) }
        let (first, second, port) = (ServerProcess.freePort(), ServerProcess.freePort(), ServerProcess.freePort())
        let cluster = "[v2:127.0.0.1:\(first),v1:127.0.0.1:\(second)]"
        try write(configuration(folder, cluster, port), to: folder + "/ceph.conf")
        let configured = ["-c", folder + "/ceph.conf"]
        let id = "6b1c9a7e-0d3f-4c52-9f5e-2a8d7c1b4e90"
        try run(["monmaptool", "--create", "--fsid", id, "--addv", "a", cluster, folder + "/monmap"])
        try run(["ceph-mon"] + configured + ["-i", "a", "--mkfs", "--monmap", folder + "/monmap"])
        let monitor = try daemon("ceph-mon", configured + ["-f", "-i", "a"], folder)
        try run(["ceph"] + configured + ["osd", "new", id])
        try run(["ceph-osd"] + configured + ["-i", "0", "--mkfs", "--osd-uuid", id])
        let disk = try daemon("ceph-osd", configured + ["-f", "-i", "0"], folder)
        let owner = ["--setuser", "root", "--setgroup", "root"]
        let gateway = try daemon("radosgw", configured + ["-f", "-n", "client.rgw.a"] + owner, folder)
        try run(
            ["radosgw-admin"] + configured + ["-n", "client.rgw.a", "user", "create", "--uid=t", "--display-name=t"]
                + ["--access-key=ACCESS", "--secret-key=SECRET"])
        try ServerProcess.awaitPort(port, seconds: 120)
        return S3Server(url: "http://127.0.0.1:\(port)", processes: [monitor, disk, gateway])
    }

    /// Makes and unmakes users and keys of the cluster that was started.
    ///
    /// - Parameter arguments: What `radosgw-admin` is to do.
    package static func administer(_ arguments: String...) throws {
        guard let folder = folders.withLock({ $0.first }) else { throw ServerError("there is no Ceph") }
        try run(["radosgw-admin", "-c", folder + "/ceph.conf", "-n", "client.rgw.a"] + arguments)
    }

    private static func daemon(_ name: String, _ arguments: [String], _ folder: String) throws -> ServerProcess {
        try ServerProcess([name] + arguments, log: "\(folder)/log/\(name).out")
    }

    private static func configuration(_ folder: String, _ cluster: String, _ port: UInt16) -> String {
        """
        [global]
        fsid = 6b1c9a7e-0d3f-4c52-9f5e-2a8d7c1b4e90
        mon host = \(cluster)
        auth cluster required = none
        auth service required = none
        auth client required = none
        osd pool default size = 1
        osd pool default min size = 1
        osd pool default pg num = 4
        osd pool default pgp num = 4
        mon allow pool size one = true
        mon max pg per osd = 1000
        osd crush chooseleaf type = 0
        run dir = \(folder)/run
        admin socket = \(folder)/run/$name.asok
        pid file = \(folder)/run/$name.pid
        log file = \(folder)/log/$name.log
        [mon]
        mon data = \(folder)/mon
        [osd]
        osd data = \(folder)/osd
        osd objectstore = bluestore
        bluestore block size = 21474836480
        [client.rgw.a]
        rgw data = \(folder)/rgw
        ms mon client mode = crc secure
        rgw frontends = beast endpoint=127.0.0.1:\(port) tcp_nodelay=1

        """
    }

    private static func run(_ arguments: [String]) throws {
        let done = try Program.run(["timeout", "120"] + arguments)
        guard done.isSuccess else {
            throw ServerError("\(arguments.joined(separator: " ")): \(done.how) \(done.standardError)")
        }
    }

    private static func write(_ text: String, to path: String) throws {
        guard let file = fopen(path, "w") else { throw ServerError("\(path) can't be written") }
        fputs(text, file)
        fclose(file)
    }

    private static let folders = Mutex<[String]>([])

    private static func removeAtExit(_ folder: String) {
        folders.withLock { $0.append(folder) }
        atexit {
            for folder in CephCluster.folders.withLock({ $0 }) {
                _ = try? Program.run(["rm", "-rf", folder])
            }
        }
    }
}
