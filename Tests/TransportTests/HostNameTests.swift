import Testing
import Transport

@Suite struct HostNameTests {
    @Test(arguments: ["127.0.0.1", "127.9.9.9:80", "LOCALHOST:9000", "[::1]:9000", "[::1]"])
    func `X2: this machine is known by its names`(place: String) {
        #expect(HostName(place).isLoopback)
        #expect(HostName(place).isNear)
    }

    @Test(arguments: ["169.254.169.254", "169.254.170.2:80", "[fd00:ec2::254]", "[fe80::1]", "bucket.localhost:9000"])
    func `X2: a neighbour that gives credentials is near, and not this machine`(place: String) {
        #expect(!HostName(place).isLoopback)
        #expect(HostName(place).isNear)
    }

    @Test(arguments: [
        "127.evil.com", "127.0.0.1.evil.com", "169.254.evil.com", "localhost.evil.com", "10.0.0.1", "[fd00::1]",
    ])
    func `X2: all others are far`(place: String) {
        #expect(!HostName(place).isLoopback)
        #expect(!HostName(place).isNear)
    }
}
