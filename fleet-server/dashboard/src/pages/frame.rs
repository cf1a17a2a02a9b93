//! The pages that are only frame.

use askama::Template;

use super::write;
use crate::views::{ErrorPage, LoginPage};

#[derive(Template)]
#[template(path = "login.html")]
struct Login<'a> {
    here: &'static str,
    page: &'a LoginPage,
}

#[derive(Template)]
#[template(path = "error.html")]
struct Problem<'a> {
    here: &'static str,
    page: &'a ErrorPage,
}

/// `/login`.
pub fn login(page: &LoginPage) -> String {
    write(&Login { here: "login", page })
}

/// Any page that could not be made.
pub fn error(page: &ErrorPage) -> String {
    write(&Problem { here: "", page })
}
