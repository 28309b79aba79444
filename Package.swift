// swift-tools-version: 6.2

import PackageDescription

let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let systemPackage: Target.Dependency = .product(name: "SystemPackage", package: "swift-system")

let package = Package(
    name: "objfs",
    products: [
        .executable(name: "objfs", targets: ["objfs"]),
        .library(name: "objfs-preload", type: .dynamic, targets: ["ObjfsPreload"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
    ],
    targets: [
        // MARK: First floor: C libraries made importable, and plain values

        .systemLibrary(name: "CFUSE", pkgConfig: "fuse3", providers: [.apt(["libfuse3-dev"])]),
        .systemLibrary(name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CExpat", pkgConfig: "expat", providers: [.apt(["libexpat1-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CDeflate", pkgConfig: "libdeflate", providers: [.apt(["libdeflate-dev"])]),
        .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
        .systemLibrary(name: "CBzip2", providers: [.apt(["libbz2-dev"])]),
        .systemLibrary(name: "CLZMA", pkgConfig: "liblzma", providers: [.apt(["liblzma-dev"])]),
        .systemLibrary(name: "CLZ4", pkgConfig: "liblz4", providers: [.apt(["liblz4-dev"])]),
        .target(name: "CFUSESession", linkerSettings: [.linkedLibrary("fuse3")]),
        .target(name: "CLinux"),
        .target(
            name: "ObjfsPreload",
            // SwiftPM links Swift's runtime into each library, but for those that say that they do without.
            linkerSettings: [
                .unsafeFlags(["-enable-experimental-feature", "Embedded", "-no-static-stdlib", "-no-stdlib-rpath"])
            ]),
        .target(name: "Bytes"),
        .target(name: "Threads", dependencies: ["CLinux"]),
        .target(name: "Records", dependencies: ["Bytes"]),

        // MARK: Second floor: the seams, each knowing nothing of objfs

        .target(name: "VFS", dependencies: ["Bytes", systemPackage]),
        .target(name: "Storage", dependencies: ["Bytes", "Threads", "CLinux", systemPackage]),
        .target(name: "Transport", dependencies: ["Bytes", "Threads", "CCurl"]),
        .target(name: "Digests", dependencies: ["Bytes", "CCrypto"]),
        .target(name: "Processes", dependencies: ["CLinux"]),

        // MARK: Third floor: what serves the seams

        .target(name: "FUSE", dependencies: ["VFS", "Bytes", "Threads", "CFUSE", "CFUSESession", systemPackage]),
        .target(
            name: "S3", dependencies: ["Storage", "Transport", "Digests", "Processes", "Bytes", "Threads", "CExpat"]),
        .target(
            name: "Decompression",
            dependencies: [
                "Storage", "Bytes", "Threads", "CLinux", "CZlib", "CDeflate", "CZstd", "CBzip2", "CLZMA", "CLZ4",
            ]
        ),
        .target(
            name: "Chunks", dependencies: ["Decompression", "Storage", "Records", "Bytes", "Threads", systemPackage]),
        .target(
            name: "ObjfsEngine",
            dependencies: [
                "VFS", "Storage", "Records", "Chunks", "Decompression", "Bytes", "Threads", "CLinux", logging,
                systemPackage,
            ]
        ),
        .target(
            name: "ObjfsRunner",
            dependencies: [
                "Storage", "Records", "Chunks", "Decompression", "Bytes", "Threads", "Processes", "CLinux",
            ]
        ),

        // MARK: Fourth floor: parts joined into a product

        .target(
            name: "ObjfsConfiguration",
            dependencies: ["S3", "Storage", "Transport", "Bytes", "Threads"]
        ),
        .target(
            name: "ObjfsCluster",
            dependencies: ["ObjfsRunner", "Storage", "Transport", "Digests", "Processes", "Bytes", "Threads", "CLinux"]
        ),
        .target(
            name: "ObjfsMount",
            dependencies: ["FUSE", "VFS", "Processes", "Threads", "CLinux"]
        ),

        // MARK: Fifth and sixth floor: the commands, and the program

        .target(
            name: "ObjfsCommands",
            dependencies: [
                "ObjfsConfiguration", "ObjfsMount", "ObjfsCluster", "ObjfsEngine", "ObjfsRunner", "Chunks",
                "Decompression", "Records",
                "S3", "Storage",
                "Transport", "FUSE", "VFS", "Digests", "Processes", "Bytes", "Threads", "CLinux", argumentParser,
                logging,
                systemPackage,
            ]
        ),
        .executableTarget(name: "objfs", dependencies: ["ObjfsCommands"]),

        // MARK: Tests

        .target(
            name: "ObjfsTesting",
            dependencies: ["Storage", "Bytes", "Threads", "Processes", "CLinux"],
            path: "Tests/ObjfsTesting"
        ),
        .testTarget(name: "BytesTests", dependencies: ["Bytes"]),
        .testTarget(name: "ThreadsTests", dependencies: ["Threads"]),
        .testTarget(name: "RecordsTests", dependencies: ["Records", "Bytes", "ObjfsTesting"]),
        .testTarget(name: "StorageTests", dependencies: ["Storage", "Bytes", "Threads", "CLinux", "ObjfsTesting"]),
        .testTarget(name: "TransportTests", dependencies: ["Transport", "Bytes", "Threads", "ObjfsTesting"]),
        .testTarget(name: "DigestsTests", dependencies: ["Digests", "Bytes"]),
        .testTarget(
            name: "S3Tests",
            dependencies: ["S3", "Storage", "Transport", "Digests", "Bytes", "Threads", "ObjfsTesting"]
        ),
        .testTarget(
            name: "FUSETests", dependencies: ["FUSE", "VFS", "Bytes", "Threads", "ObjfsTesting", systemPackage]),
        .testTarget(
            name: "DecompressionTests",
            dependencies: ["Decompression", "Storage", "Bytes", "Threads", "ObjfsTesting"]
        ),
        .testTarget(
            name: "ChunksTests", dependencies: ["Chunks", "Storage", "Records", "Bytes", "Threads", "ObjfsTesting"]),
        .testTarget(
            name: "ObjfsEngineTests",
            dependencies: [
                "ObjfsEngine", "VFS", "Chunks", "Records", "Storage", "Bytes", "Threads", "ObjfsTesting", logging,
                systemPackage,
            ]
        ),
        .testTarget(
            name: "ObjfsRunnerTests",
            dependencies: ["ObjfsRunner", "Storage", "Records", "Bytes", "Processes", "ObjfsTesting", "objfs"]
        ),
        .testTarget(
            name: "ObjfsClusterTests",
            dependencies: ["Processes", "Threads", "ObjfsTesting", "objfs"]
        ),
        .testTarget(
            name: "ObjfsConfigurationTests",
            dependencies: ["ObjfsConfiguration", "S3", "Storage", "Transport", "Threads", "ObjfsTesting"]
        ),
        .testTarget(
            name: "CommandTests",
            dependencies: [
                "ObjfsCommands", "S3", "Storage", "Transport", "Bytes", "Processes", "Threads", "ObjfsTesting", "objfs",
            ]
        ),
        .testTarget(
            name: "MountTests",
            dependencies: [
                "FUSE", "ObjfsEngine", "Storage", "Bytes", "Threads", "ObjfsTesting", logging, "objfs",
            ]
        ),
        .testTarget(name: "MountHelperTests", dependencies: ["ObjfsMount", "Processes", "ObjfsTesting", "objfs"]),
        .testTarget(name: "PreloadTests", dependencies: ["ObjfsTesting", "objfs"]),
        .testTarget(name: "ManualTests", dependencies: ["Processes", "ObjfsTesting", "objfs"]),
    ],
    swiftLanguageModes: [.v6]
)

for target in package.targets where target.type != .system {
    target.swiftSettings = [
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    ]
}
