//! Addresses and their canonical forms: the table that the canonicaliser, SQLite and PostgreSQL must all agree with.
//!
//! It is compiled into the tests of this crate and of the store, and into nothing else.

/// A class of address, one of it, and its canonical form; `None` for what is never used to find an account.
pub(crate) type Case = (&'static str, &'static str, Option<&'static str>);

pub(crate) const CASES: &[Case] = &[
    // The local part: ASCII letters are lowered, and nothing else is done.
    ("plain", "alice@example.com", Some("alice@example.com")),
    (
        "case of the local part",
        "ALICE@example.com",
        Some("alice@example.com"),
    ),
    (
        "case of the domain",
        "alice@EXAMPLE.com",
        Some("alice@example.com"),
    ),
    (
        "case of both",
        "Alice@Example.COM",
        Some("alice@example.com"),
    ),
    (
        "a plus tag",
        "alice+tag@example.com",
        Some("alice+tag@example.com"),
    ),
    (
        "a plus tag in capitals",
        "alice+TAG@example.com",
        Some("alice+tag@example.com"),
    ),
    (
        "dots in the local part",
        "a.l.i.c.e@example.com",
        Some("a.l.i.c.e@example.com"),
    ),
    (
        "a hyphen and digits",
        "a-1@example.com",
        Some("a-1@example.com"),
    ),
    (
        "the rarer characters",
        "!#$%&'*/=?^_`{|}~@example.com",
        Some("!#$%&'*/=?^_`{|}~@example.com"),
    ),
    // The domain: UTS-46 to its A-label, so that all spellings of one name are one.
    (
        "another domain",
        "alice@example.org",
        Some("alice@example.org"),
    ),
    (
        "a subdomain",
        "alice@mail.example.com",
        Some("alice@mail.example.com"),
    ),
    (
        "an IDN as U-label",
        "a@b\u{fc}cher.example",
        Some("a@xn--bcher-kva.example"),
    ),
    (
        "an IDN as A-label",
        "a@xn--bcher-kva.example",
        Some("a@xn--bcher-kva.example"),
    ),
    (
        "an A-label in capitals",
        "a@XN--BCHER-KVA.example",
        Some("a@xn--bcher-kva.example"),
    ),
    (
        "an IDN in capitals",
        "a@B\u{dc}CHER.example",
        Some("a@xn--bcher-kva.example"),
    ),
    (
        "an IDN in NFD",
        "a@bu\u{308}cher.example",
        Some("a@xn--bcher-kva.example"),
    ),
    (
        "without the diaeresis",
        "a@bucher.example",
        Some("a@bucher.example"),
    ),
    (
        "sharp s in the domain",
        "a@stra\u{df}e.example",
        Some("a@xn--strae-oqa.example"),
    ),
    (
        "ss in the domain",
        "a@strasse.example",
        Some("a@strasse.example"),
    ),
    (
        "KELVIN SIGN in the domain",
        "a@\u{212a}elvin.example",
        Some("a@kelvin.example"),
    ),
    (
        "k in the domain",
        "a@kelvin.example",
        Some("a@kelvin.example"),
    ),
    (
        "dotted capital I in the domain",
        "a@\u{130}x.example",
        Some("a@xn--ix-rub.example"),
    ),
    (
        "dotless i in the domain",
        "a@\u{131}x.example",
        Some("a@xn--x-eka.example"),
    ),
    ("i in the domain", "a@ix.example", Some("a@ix.example")),
    (
        "Cyrillic lookalike in the domain",
        "a@ex\u{430}mple.com",
        Some("a@xn--exmple-4nf.com"),
    ),
    (
        "fullwidth domain",
        "alice@\u{ff45}xample.com",
        Some("alice@example.com"),
    ),
    (
        "ideographic full stop",
        "alice@example\u{3002}com",
        Some("alice@example.com"),
    ),
    (
        "final sigma",
        "a@\u{3bb}\u{3c2}.example",
        Some("a@xn--wxao.example"),
    ),
    (
        "sigma",
        "a@\u{3bb}\u{3c3}.example",
        Some("a@xn--wxaq.example"),
    ),
    // Not ASCII in the local part: no folding could be the mail server's own, so none is done.
    ("KELVIN SIGN", "\u{212a}@example.com", None),
    ("dotted capital I", "\u{130}@example.com", None),
    ("dotless i", "\u{131}@example.com", None),
    ("sharp s", "stra\u{df}e@example.com", None),
    ("NFC", "andr\u{e9}@example.com", None),
    ("NFD", "andre\u{301}@example.com", None),
    ("Cyrillic lookalike", "\u{430}lice@example.com", None),
    ("fullwidth", "\u{ff41}lice@example.com", None),
    ("zero width space", "a\u{200b}lice@example.com", None),
    ("fullwidth commercial at", "alice\u{ff20}example.com", None),
    // Neither a mailbox nor anything that should reach a header.
    ("trailing dot", "alice@example.com.", None),
    (
        "ideographic trailing dot",
        "alice@example.com\u{3002}",
        None,
    ),
    ("empty", "", None),
    ("spaces", "   ", None),
    ("no at", "alice", None),
    ("no local part", "@example.com", None),
    ("no domain", "alice@", None),
    ("two ats", "alice@evil.example@example.com", None),
    ("quoted local part", "\"alice\"@example.com", None),
    ("quoted at", "\"a@b\"@example.com", None),
    ("a comment", "alice(x)@example.com", None),
    ("a display name", "Alice <alice@example.com>", None),
    (
        "a line break",
        "alice@example.com\r\nBcc: x@y.example",
        None,
    ),
    ("NUL", "a\u{0}lice@example.com", None),
    ("leading space", " alice@example.com", None),
    ("trailing space", "alice@example.com ", None),
    ("leading dot", ".alice@example.com", None),
    ("trailing dot of the local part", "alice.@example.com", None),
    ("two dots", "a..b@example.com", None),
    ("one label", "alice@localhost", None),
    ("an address literal", "alice@[127.0.0.1]", None),
    ("an underscore in the domain", "alice@ex_ample.com", None),
    (
        "a slash that UTS-46 makes",
        "alice@example.com\u{ff0f}x.example",
        None,
    ),
    ("an A-label that is none", "alice@xn--\u{fc}.example", None),
    ("a hyphen first", "alice@-example.com", None),
    ("an empty label", "alice@example..com", None),
];
