//! Secrets come from the standard input or from a prompt, never from arguments, which everybody on the machine can read.

use std::io::{IsTerminal as _, Read as _};

use curfew_policy::password::{MAX_BYTES, MIN_CHARACTERS, PasswordRefusal, check_new};
use curfew_protocol::Redacted;

use crate::failure::Failure;

/// More than any secret has.
const LIMIT: u64 = 16 * 1024;

/// All of the standard input, without the line's end.
fn from_input() -> Result<Redacted<String>, Failure> {
    let mut text = String::new();
    std::io::stdin()
        .take(LIMIT)
        .read_to_string(&mut text)
        .map_err(|source| Failure::io("the standard input cannot be read", source))?;
    let kept = text.trim_end_matches(['\n', '\r']).len();
    text.truncate(kept);
    Ok(Redacted(text))
}

fn prompt(question: &str) -> Result<Redacted<String>, Failure> {
    rpassword::prompt_password(question)
        .map(Redacted)
        .map_err(|source| Failure::io("the terminal cannot be read", source))
}

/// A new password, checked and hashed. `known` are words that everybody knows of the person.
pub(crate) fn new_password(
    known: &[&str],
    entropy: &dyn curfew_protocol::Entropy,
) -> Result<Redacted<String>, Failure> {
    let (password, again) = if std::io::stdin().is_terminal() {
        (prompt("New password: ")?, prompt("Again: ")?)
    } else {
        let password = from_input()?;
        (password.clone(), password)
    };
    check_new(&password.0, &again.0, known).map_err(|refusal| Failure::told(sentence(refusal)))?;
    curfew_http::password::hash(&password.0, entropy)
        .map_err(|failure| Failure::told(failure.to_string()))
}

/// A client secret that another server gave.
pub(crate) fn client_secret() -> Result<Redacted<String>, Failure> {
    if std::io::stdin().is_terminal() {
        prompt("Client secret: ")
    } else {
        from_input()
    }
}

fn sentence(refusal: PasswordRefusal) -> String {
    match refusal {
        PasswordRefusal::TooShort => {
            format!("the password is too short; take at least {MIN_CHARACTERS} characters")
        }
        PasswordRefusal::TooLong => {
            format!("the password is longer than {MAX_BYTES} bytes; take a shorter one")
        }
        PasswordRefusal::Obvious => {
            "the password is the user's name or address; take another".to_owned()
        }
        PasswordRefusal::Mismatch => "the two entries differ; try again".to_owned(),
    }
}

/// A token to work on: an id as an argument, or a value from the standard input.
pub(crate) fn token(argument: Option<String>, stdin: bool) -> Result<Redacted<String>, Failure> {
    match (argument, stdin) {
        (Some(id), _) if curfew_protocol::TokenKind::of(&id).is_some() => Err(Failure::told(
            "a token's value does not belong on the command line, where others can read it; hand it over with --stdin, \
             or name the token by its id",
        )),
        (Some(id), _) => Ok(Redacted(id)),
        (None, true) if std::io::stdin().is_terminal() => prompt("Token: "),
        (None, true) => from_input(),
        (None, false) => Err(Failure::told(
            "which token? Give its id, or hand its value over with --stdin",
        )),
    }
}
