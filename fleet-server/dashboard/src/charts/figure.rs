//! A picture with its title and the table behind it.

use crate::words::{Markup, escape};

/// The table behind a picture.
pub struct Table {
    /// Headings.
    pub head: Vec<String>,
    /// Rows of texts.
    pub rows: Vec<Vec<String>>,
}

/// Puts picture, title and table together. `about` says in words what is seen; `body` is SVG.
pub fn figure(title: &str, about: &str, size: (f64, f64), body: &str, key: &str, table: &Table) -> Markup {
    let (width, height) = size;
    let (title, about) = (escape(title), escape(about));
    let mut out = format!(
        "<figure class=\"chart\"><figcaption>{title}</figcaption>{key}\
         <svg viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"group\" \
         aria-label=\"{title}: {about}\"><title>{title}</title><desc>{about}</desc>{body}</svg>\
         <details class=\"behind\"><summary>As a table</summary><div class=\"scroll\"><table><thead><tr>"
    );
    for cell in &table.head {
        out.push_str(&format!("<th scope=\"col\">{}</th>", escape(cell)));
    }
    out.push_str("</tr></thead><tbody>");
    for row in &table.rows {
        out.push_str("<tr>");
        for cell in row {
            out.push_str(&format!("<td>{}</td>", escape(cell)));
        }
        out.push_str("</tr>");
    }
    out.push_str("</tbody></table></div></details></figure>");
    Markup(out)
}

/// The key of a picture: colour swatches with their names. Swatches are small SVGs of class `key`.
pub fn key(entries: &[(&str, &str)]) -> String {
    let mut out = String::from("<ul class=\"legend\">");
    for (class, name) in entries {
        out.push_str(&format!(
            "<li><svg class=\"key\" width=\"12\" height=\"12\" aria-hidden=\"true\">\
             <rect width=\"12\" height=\"12\" rx=\"3\" class=\"{class}\"/></svg>{}</li>",
            escape(name)
        ));
    }
    out + "</ul>"
}
