//! Forms whose fields may come several times, such as ticked boxes.

use crate::problem::Problem;

/// The fields of a form, in the order in which they came.
pub type Fields = Vec<(String, String)>;

/// The first field of that name. Problem: 400 `form_incomplete`.
pub fn one<'a>(fields: &'a [(String, String)], name: &'static str) -> Result<&'a str, Problem> {
    let incomplete = || {
        let detail = format!("the form lacks {name}: open the page again and send it from there");
        Problem::bad_request("form_incomplete", detail).with("field", name)
    };
    every(fields, name).next().ok_or_else(incomplete)
}

/// All fields of that name.
pub fn every<'a>(fields: &'a [(String, String)], name: &'static str) -> impl Iterator<Item = &'a str> {
    let named = fields.iter().filter(move |(of, _)| of == name);
    named.map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_that_is_ticked_twice_comes_twice_and_what_is_lacking_is_told() {
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let fields = vec![
            field("role", "submitter"),
            field("csrf", "0"),
            field("role", "auditor"),
        ];
        assert_eq!(one(&fields, "csrf").unwrap(), "0");
        assert_eq!(
            every(&fields, "role").collect::<Vec<_>>(),
            ["submitter", "auditor"]
        );
        assert_eq!(one(&fields, "name").unwrap_err().code(), "form_incomplete");
    }
}
