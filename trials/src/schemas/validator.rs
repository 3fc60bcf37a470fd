//! As much of JSON Schema (draft 2020-12) as the schemas in docs/schemas use. A keyword that isn't known here is no schema's
//! way around a check: it panics. Why no crate does this is in docs/decisions/dependencies.md; a stock validator is asked in
//! the tests, where there is one.

use proto::name::Name;
use serde_json::{Map, Value};

/// The pattern of a [`Name`].
const NAME: &str = "^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$";
/// The pattern of a log line's time.
const TIME: &str = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z$";
/// The keywords that say nothing about a value.
const WORDS: [&str; 4] = ["$schema", "$defs", "title", "description"];

/// The ways in which a value differs from a schema, a sentence each, with its place in the document.
pub(super) fn mistakes(schema: &Value, value: &Value) -> Vec<String> {
    let mut check = Check { whole: schema, mistakes: Vec::new() };
    check.value(schema, value, "");
    check.mistakes
}

struct Check<'a> {
    /// The document that `$ref` leads into.
    whole: &'a Value,
    mistakes: Vec<String>,
}

impl Check<'_> {
    fn value(&mut self, schema: &Value, value: &Value, at: &str) {
        let keywords = schema.as_object().unwrap_or_else(|| panic!("no schema: {schema}"));
        for (keyword, says) in keywords.iter().filter(|(keyword, _)| !WORDS.contains(&keyword.as_str())) {
            let is_right = match keyword.as_str() {
                "$ref" => {
                    self.value(target(self.whole, says), value, at);
                    true
                }
                "type" => types(says).any(|name| is_of(value, name)),
                "const" => value == says,
                "enum" => says.as_array().is_some_and(|words| words.contains(value)),
                "minimum" => value.as_f64().is_none_or(|number| Some(number) >= says.as_f64()),
                "maximum" => value.as_f64().is_none_or(|number| Some(number) <= says.as_f64()),
                "pattern" => value.as_str().is_none_or(|text| matches(text, says)),
                "oneOf" => {
                    let forms = says.as_array().into_iter().flatten();
                    forms.filter(|form| self.is_right(form, value)).count() == 1
                }
                "items" => {
                    let items = value.as_array().into_iter().flatten().enumerate();
                    items.for_each(|(n, item)| self.value(says, item, &format!("{at}/{n}")));
                    true
                }
                "prefixItems" => {
                    let pairs =
                        says.as_array().into_iter().flatten().zip(value.as_array().into_iter().flatten());
                    pairs.enumerate().for_each(|(n, (of, item))| self.value(of, item, &format!("{at}/{n}")));
                    true
                }
                "minItems" => value.as_array().is_none_or(|items| Some(items.len() as u64) >= says.as_u64()),
                "maxItems" => value.as_array().is_none_or(|items| Some(items.len() as u64) <= says.as_u64()),
                "required" => {
                    let has = |name: &Value| value.as_object().is_none_or(|of| of.contains_key(text(name)));
                    says.as_array().is_some_and(|names| names.iter().all(has))
                }
                "properties" | "additionalProperties" | "propertyNames" => {
                    value.as_object().into_iter().for_each(|of| self.object(keyword, keywords, of, at));
                    true
                }
                unknown => panic!("{unknown} is no keyword that is known here"),
            };
            if !is_right {
                self.mistakes.push(format!("{at}: {value} is against {keyword}: {says}"));
            }
        }
    }

    /// Checks an object's members by one of the keywords about them.
    fn object(&mut self, keyword: &str, keywords: &Map<String, Value>, of: &Map<String, Value>, at: &str) {
        let says = &keywords[keyword];
        for (name, value) in of {
            let at = format!("{at}/{name}");
            let named = keywords.get("properties").and_then(|properties| properties.get(name));
            match (keyword, named) {
                ("properties", Some(schema)) => self.value(schema, value, &at),
                ("propertyNames", _) => self.value(says, &name.as_str().into(), &at),
                ("additionalProperties", None) if *says == false => {
                    self.mistakes.push(format!("{at}: it is not in the schema"));
                }
                ("additionalProperties", None) => self.value(says, value, &at),
                _ => {}
            }
        }
    }

    fn is_right(&self, schema: &Value, value: &Value) -> bool {
        let mut check = Check { whole: self.whole, mistakes: Vec::new() };
        check.value(schema, value, "");
        check.mistakes.is_empty()
    }
}

/// The definition that a `$ref` names.
fn target<'a>(whole: &'a Value, reference: &Value) -> &'a Value {
    let pointer = text(reference).strip_prefix('#').unwrap_or_else(|| panic!("{reference} leads elsewhere"));
    whole.pointer(pointer).unwrap_or_else(|| panic!("{reference} leads nowhere"))
}

fn types(says: &Value) -> impl Iterator<Item = &str> {
    says.as_array().map_or(std::slice::from_ref(says), Vec::as_slice).iter().map(text)
}

fn is_of(value: &Value, kind: &str) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        unknown => panic!("{unknown} is no type"),
    }
}

fn matches(value: &str, pattern: &Value) -> bool {
    match text(pattern) {
        NAME => Name::new(value).is_ok(),
        TIME => {
            let shape: String = value.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
            shape == "0000-00-00T00:00:00.000Z"
        }
        unknown => panic!("{unknown} is no pattern that is known here"),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}
