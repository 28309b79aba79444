import Bytes
import Digests
import Testing

@Suite struct DigestTests {
    @Test func `digests are those of the standards`() {
        #expect(
            Hex.string(Digest.sha256(Array("abc".utf8)))
                == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        #expect(
            Hex.string(Digest.sha256([])) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        #expect(Hex.string(Digest.sha1(Array("abc".utf8))) == "a9993e364706816aba3e25717850c26c9cd0d89d")
        #expect(Array("abc".utf8).withUnsafeBytes { Hex.string(Digest.md5($0)) } == "900150983cd24fb0d6963f7d28e17f72")
    }

    @Test func `an HMAC is that of RFC 4231`() {
        let code = Digest.hmacSHA256(Array("what do ya want for nothing?".utf8), key: Array("Jefe".utf8))
        #expect(Hex.string(code) == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
    }

    @Test(arguments: [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")])
    func `Base64 is that of RFC 4648`(text: String, encoded: String) {
        #expect(Base64.string(Array(text.utf8)) == encoded)
    }
}
