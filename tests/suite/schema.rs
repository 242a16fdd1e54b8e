//! Whether a JSON value is as a JSON schema says, as far as the schemas of this program go.

use serde_json::{Map, Value};

/// A schema, within which others are named.
pub struct Schema<'a>(pub &'a Value);

/// Words that say nothing of a value, or that others look at.
const SILENT: [&str; 12] = [
    "$schema",
    "title",
    "description",
    "default",
    "format",
    "$defs",
    "additionalProperties",
    "unevaluatedProperties",
    "maximum",
    "minItems",
    "maxItems",
    "uniqueItems",
];

impl Schema<'_> {
    /// Says what of a value is not as the schema says.
    pub fn check(&self, value: &Value) -> Result<(), String> {
        self.check_by(value, self.0, "")
    }

    fn check_by(&self, value: &Value, schema: &Value, place: &str) -> Result<(), String> {
        let Value::Object(words) = schema else {
            let is_fine = *schema == Value::Bool(true);
            return says(is_fine, value, place, "nothing may be here");
        };
        for (word, is) in words {
            let fine = |is_fine: bool| says(is_fine, value, place, &format!("{word} is {is}"));
            let all = || is.as_array().into_iter().flatten();
            match word.as_str() {
                word if SILENT.contains(&word) => {}
                "$ref" => {
                    let name = is.as_str().unwrap().trim_start_matches('#');
                    self.check_by(value, self.0.pointer(name).unwrap(), place)?;
                }
                "type" if is.is_array() => fine(all().any(|kind| is_of(value, kind)))?,
                "type" => fine(is_of(value, is))?,
                "minimum" => fine(value.as_f64().is_none_or(|n| n >= is.as_f64().unwrap()))?,
                "const" => fine(value == is)?,
                "enum" => fine(all().any(|one| one == value))?,
                "oneOf" | "anyOf" => {
                    fine(all().any(|way| self.check_by(value, way, place).is_ok()))?;
                }
                "required" => fine(all().all(|n| value.get(n.as_str().unwrap()).is_some()))?,
                "properties" => {}
                "items" => {
                    for (n, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.check_by(item, is, &format!("{place}/{n}"))?;
                    }
                }
                "prefixItems" => {
                    for (n, item) in all().enumerate() {
                        self.check_by(&value[n], item, &format!("{place}/{n}"))?;
                    }
                }
                other => panic!("`{other}` of JSON Schema is not known here"),
            }
        }
        self.check_fields(value, words, place)
    }

    /// What is printed has no field that its schema does not name.
    fn check_fields(
        &self,
        value: &Value,
        words: &Map<String, Value>,
        place: &str,
    ) -> Result<(), String> {
        let named = words.get("properties");
        let rest = words.get("additionalProperties");
        if named.is_none() && rest.is_none() {
            return Ok(());
        }
        for (name, field) in value.as_object().into_iter().flatten() {
            let place = format!("{place}/{name}");
            match named.and_then(|named| named.get(name)).or(rest) {
                Some(schema) => self.check_by(field, schema, &place)?,
                None => says(false, field, &place, "the schema does not name it")?,
            }
        }
        Ok(())
    }
}

fn says(is_fine: bool, value: &Value, place: &str, why: &str) -> Result<(), String> {
    if is_fine {
        Ok(())
    } else {
        Err(format!("{place}: {why}: {value}"))
    }
}

fn is_of(value: &Value, kind: &Value) -> bool {
    match kind.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        other => panic!("there is no type {other}"),
    }
}
