//! One crypto library: ring. Everything else that can sign, encrypt or hash is refused or written down here.

use crate::workspace::linked;

/// Libraries that sign, encrypt or hash, by package name; those ending in `-` stand for all that begin so.
const CRYPTO: &[&str] = &[
    "aes",
    "aes-gcm",
    "aes-gcm-siv",
    "argon2",
    "aws-lc-",
    "bcrypt",
    "blake2",
    "blake3",
    "boring",
    "boring-sys",
    "chacha20",
    "chacha20poly1305",
    "cmac",
    "crypto_box",
    "cryptoki",
    "curve25519-dalek",
    "dsa",
    "ecdsa",
    "ed25519",
    "ed25519-dalek",
    "ed448",
    "elliptic-curve",
    "ghash",
    "gnutls",
    "graviola",
    "hkdf",
    "hmac",
    "k256",
    "libsodium-sys",
    "libsodium-sys-stable",
    "mbedtls",
    "md-5",
    "md5",
    "ml-dsa",
    "ml-kem",
    "native-tls",
    "openssl",
    "openssl-sys",
    "orion",
    "p256",
    "p384",
    "p521",
    "pbkdf2",
    "poly1305",
    "pqcrypto-",
    "ripemd",
    "rsa",
    "rustls-mbedtls-",
    "rustls-openssl",
    "salsa20",
    "scrypt",
    "secp256k1",
    "sequoia-",
    "sha1",
    "sha1_smol",
    "sha2",
    "sha3",
    "slh-dsa",
    "sm2",
    "sm3",
    "snow",
    "sodiumoxide",
    "symcrypt",
    "whirlpool",
    "wolfssl",
    "x25519-dalek",
];

/// What comes in with a dependency all the same: the library, who may bring it, and why that is no second library.
const EXCEPTIONS: [(&str, &[&str], &str); 4] = [
    ("sha2", &["mqtt5"], "the broker hashes its password file and tokens with it; devices have certificates"),
    ("argon2", &["mqtt5"], "the broker's password file, which is never used"),
    ("blake2", &["argon2"], "inside argon2"),
    ("chacha20", &["rand"], "the random generator of rand, not a cipher here"),
];

#[test]
fn ring_is_the_only_crypto_library() {
    for program in ["dunlin-agent", "dunlin-server", "dunlin-cli", "dunlin-simulator"] {
        let linked = linked(program);
        assert!(linked.contains_key("ring"), "{program} does not link ring: this test reads the wrong tree");
        for (library, parents) in linked {
            let listed = CRYPTO.iter().any(|entry| match entry.strip_suffix('-') {
                Some(start) => library.starts_with(start),
                None => library == *entry,
            });
            if !listed {
                continue;
            }
            let exception = EXCEPTIONS.iter().find(|(name, ..)| *name == library);
            let allowed = exception.map_or(&[][..], |(_, bringers, _)| bringers);
            let others: Vec<_> = parents.iter().filter(|parent| !allowed.contains(parent)).collect();
            assert!(others.is_empty(), "{program}: {others:?} bring the crypto library {library}; use ring");
        }
    }
}

#[test]
fn every_exception_is_still_needed() {
    let server = linked("dunlin-server");
    for (library, bringers, reason) in EXCEPTIONS {
        let parents = server.get(library);
        let needed = parents.is_some_and(|parents| bringers.iter().all(|bringer| parents.contains(bringer)));
        assert!(needed, "nothing brings {library} any more ({reason}); remove the exception");
    }
}
