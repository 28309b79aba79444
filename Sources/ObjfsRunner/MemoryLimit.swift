import Bytes
import Glibc
import Processes
import Synchronization

/// Keeps programs within an amount of memory each: by a control group where this process may make one,
/// else by a limit on their address space.
///
/// See: `man 7 cgroups`, and "Memory" in the kernel's document on version 2 of them.
final class MemoryLimit: Sendable {
    private let bytes: Int64
    /// The control group below which there is one for each program; `nil` where address space is limited.
    private let parent: String?
    private let number = Atomic<Int>(0)

    /// Finds out what can be done here.
    ///
    /// - Parameter hierarchy: Where control groups are; `nil` for where the system has them.
    init(_ bytes: Int64, hierarchy: ControlGroups? = .own) {
        self.bytes = bytes
        parent = hierarchy?.parent
    }

    /// What stands before the words of a command so that it is limited from its first moment on.
    ///
    /// The shell puts itself where it belongs, and then the command into its own place.
    func begin() -> Limited {
        if let parent {
            let group = "\(parent)/objfs-\(getpid())-\(number.add(1, ordering: .relaxed).newValue)"
            if mkdir(group, 0o755) == 0, ControlGroups.write("\(bytes)", to: group + "/memory.max") {
                _ = ControlGroups.write("0", to: group + "/memory.swap.max")
                // All that the command has started ends with what took too much.
                _ = ControlGroups.write("1", to: group + "/memory.oom.group")
                return Limited(
                    words: ["/bin/sh", "-c", "echo 0 > \"$0/cgroup.procs\" && exec \"$@\"", group], bytes: bytes,
                    group: group)
            }
            rmdir(group)
        }
        return Limited(
            words: ["/bin/sh", "-c", "ulimit -v \(max(bytes / 1024, 1)) && exec \"$@\"", "sh"], bytes: bytes, group: nil
        )
    }

    /// One program within its limit.
    struct Limited {
        /// What stands before its words.
        let words: [String]
        fileprivate let bytes: Int64
        fileprivate let group: String?

        /// Ends what is left of it, and says in words what the limit did to it; `nil` for nothing.
        func end(_ ending: Ending) -> String? {
            let size = "\(ByteCount(bytes))"
            guard let group else {
                // What a program does that gets no memory is its own affair: this may be the reason, and may not.
                guard !ending.isSuccess else { return nil }
                return "--memory limits its address space to \(size)"
            }
            let wasKilled = (ControlGroups.events(group)["oom_kill"] ?? 0) > 0
            _ = ControlGroups.write("1", to: group + "/cgroup.kill")
            // It is empty a moment later.
            for _ in 0..<100 where rmdir(group) != 0 && errno == EBUSY { usleep(1000) }
            return wasKilled ? "it was killed, as it used more than the \(size) of --memory" : nil
        }
    }
}

/// Version 2 of the kernel's control groups, as far as this process may use them.
package struct ControlGroups {
    /// A group in which this process may make others whose memory is limited; `nil` if there is none.
    package let parent: String?

    /// Those that this process is in.
    static var own: ControlGroups? {
        guard let mount = mountPoint(read("/proc/self/mountinfo")), let group = group(read("/proc/self/cgroup")) else {
            return nil
        }
        return ControlGroups(mount: mount, group: group)
    }

    /// Looks for a group from one on upwards: only such a one has groups with limits in it as has no process itself.
    ///
    /// - Parameters:
    ///   - mount: Where the groups are shown as folders.
    ///   - group: The group of this process, from there on.
    package init(mount: String, group: String) {
        var parts = group.split(separator: "/")
        while true {
            let folder = ([Substring(mount)] + parts).joined(separator: "/")
            let controllers = Self.read(folder + "/cgroup.subtree_control").split(whereSeparator: \.isWhitespace)
            if controllers.contains("memory"), access(folder, W_OK) == 0,
                access(folder + "/cgroup.procs", W_OK) == 0
            {
                parent = folder
                return
            }
            guard parts.popLast() != nil else { break }
        }
        parent = nil
    }

    /// Where the groups are shown, from `/proc/self/mountinfo`.
    package static func mountPoint(_ text: String) -> String? {
        for line in text.split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard let dash = fields.firstIndex(of: "-"), fields.count > dash + 1, fields[dash + 1] == "cgroup2",
                fields.count > 4
            else { continue }
            return String(fields[4])
        }
        return nil
    }

    /// The group of this process, from `/proc/self/cgroup`.
    package static func group(_ text: String) -> String? {
        text.split(separator: "\n").first { $0.hasPrefix("0::") }.map { String($0.dropFirst(3)) }
    }

    /// What happened in a group for want of memory, how often.
    fileprivate static func events(_ group: String) -> [Substring: Int] {
        var events: [Substring: Int] = [:]
        for line in read(group + "/memory.events").split(separator: "\n") {
            let words = line.split(separator: " ")
            if words.count == 2 { events[words[0]] = Int(words[1]) }
        }
        return events
    }

    fileprivate static func write(_ text: String, to path: String) -> Bool {
        let file = open(path, O_WRONLY | O_CLOEXEC)
        guard file >= 0 else { return false }
        defer { close(file) }
        let bytes = Array(text.utf8)
        return Glibc.write(file, bytes, bytes.count) == bytes.count
    }

    private static func read(_ path: String) -> String {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return "" }
        defer { close(file) }
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 1 << 14)
        while true {
            let count = Glibc.read(file, &block, block.count)
            guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
            bytes += block[..<count]
        }
    }
}
