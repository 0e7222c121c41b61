//! Rows of a list file, read line by line within bounds.

use std::borrow::Cow;
use std::io::{self, BufRead, Read, Write};

use csv_core::ReadRecordResult;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use store::ListEntry;

use super::entry;

/// Longest line, in bytes.
const LINE_BYTES_MAX: usize = 16 * 1024;
/// Columns of a CSV file.
const COLUMNS_MAX: usize = 32;
/// Longest name of a CSV column, in bytes.
const COLUMN_NAME_BYTES_MAX: usize = 64;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `key`, or `key,value` with JSON in the second column, or `key` and columns that make an object of texts.
    Csv,
    /// One `{"key": "…", "value": …}` on each line.
    Jsonl,
}

impl Format {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
        }
    }

    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        [Self::Csv, Self::Jsonl]
            .into_iter()
            .find(|format| format.as_str() == text)
    }
}

impl Format {
    /// Entries as a piece of a file that is read back to the same entries. The first piece has the header.
    pub fn write(self, entries: &[ListEntry], first: bool) -> io::Result<Vec<u8>> {
        match self {
            Self::Csv => write_csv(entries, first),
            Self::Jsonl => write_jsonl(entries),
        }
    }
}

fn write_csv(entries: &[ListEntry], first: bool) -> io::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    if first {
        writer.write_record(["key", "value"])?;
    }
    for entry in entries {
        writer.write_record([
            entry.key.as_str(),
            &on_one_line(entry.value.as_deref().unwrap_or_default()),
        ])?;
    }
    writer.into_inner().map_err(|error| io::Error::other(error.to_string()))
}

fn write_jsonl(entries: &[ListEntry]) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    for entry in entries {
        let key = Value::from(entry.key.as_str());
        match &entry.value {
            None => writeln!(text, "{{\"key\":{key}}}")?,
            Some(value) => writeln!(text, "{{\"key\":{key},\"value\":{}}}", on_one_line(value))?,
        }
    }
    Ok(text)
}

/// JSON has line ends only between its parts, where a space is as good.
fn on_one_line(json: &str) -> String {
    json.replace(['\r', '\n'], " ")
}

/// The rows of a file. A line that cannot be a row does not end it: the next one may be good.
pub struct Rows<R> {
    source: R,
    line: u64,
    bytes: u64,
    buffer: Vec<u8>,
    parser: Parser,
}

enum Parser {
    Csv(Box<Csv>),
    Jsonl,
}

/// A row, or what is wrong with its line. Lines count from 1.
pub struct Row {
    pub line: u64,
    pub entry: Result<ListEntry, String>,
}

impl<R: BufRead> Rows<R> {
    pub fn new(source: R, format: Format) -> Self {
        let parser = match format {
            Format::Csv => Parser::Csv(Box::new(Csv::new())),
            Format::Jsonl => Parser::Jsonl,
        };
        Self {
            source,
            line: 0,
            bytes: 0,
            buffer: Vec::new(),
            parser,
        }
    }

    /// Bytes of the file that were read so far.
    pub fn bytes_read(&self) -> u64 {
        self.bytes
    }

    /// `None` at the end of the file.
    pub fn next(&mut self) -> io::Result<Option<Row>> {
        while self.read_line()? {
            let line = self.line;
            let text = self.buffer.as_slice();
            let text = if line == 1 {
                text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text)
            } else {
                text
            };
            if text.is_empty() {
                continue;
            }
            let entry = match &mut self.parser {
                _ if text.len() > LINE_BYTES_MAX => {
                    Some(Err(format!("the line is longer than {LINE_BYTES_MAX} bytes")))
                }
                Parser::Csv(csv) => csv.read(text).transpose(),
                Parser::Jsonl => Some(json_row(text)),
            };
            if let Some(entry) = entry {
                return Ok(Some(Row { line, entry }));
            }
        }
        Ok(None)
    }

    /// The next line without its end; `false` when there is none. Of a line that is too long only the start is kept.
    fn read_line(&mut self) -> io::Result<bool> {
        self.buffer.clear();
        let limit = LINE_BYTES_MAX as u64 + 2;
        let mut read = self.source.by_ref().take(limit).read_until(b'\n', &mut self.buffer)? as u64;
        if read == 0 {
            return Ok(false);
        }
        self.line += 1;
        if self.buffer.last() == Some(&b'\n') {
            self.buffer.pop();
            if self.buffer.last() == Some(&b'\r') {
                self.buffer.pop();
            }
        } else if read == limit {
            read += skip_line(&mut self.source)?;
        }
        self.bytes += read;
        Ok(true)
    }
}

/// Returns how many bytes were skipped.
fn skip_line(source: &mut impl BufRead) -> io::Result<u64> {
    let mut skipped = 0;
    loop {
        let chunk = source.fill_buf()?;
        let end = chunk.iter().position(|byte| *byte == b'\n');
        let length = end.map_or(chunk.len(), |end| end + 1);
        source.consume(length);
        skipped += length as u64;
        if end.is_some() || length == 0 {
            return Ok(skipped);
        }
    }
}

fn json_row(line: &[u8]) -> Result<ListEntry, String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Given<'a> {
        #[serde(borrow)]
        key: Cow<'a, str>,
        #[serde(borrow, default)]
        value: Option<&'a RawValue>,
    }
    let line = std::str::from_utf8(line).map_err(|_| NOT_UTF8.to_owned())?;
    let given: Given<'_> = serde_json::from_str(line)
        .map_err(|error| format!("the line is not {{\"key\": \"…\", \"value\": …}}: {error}"))?;
    entry(given.key.into_owned(), given.value.map(RawValue::get))
}

const NOT_UTF8: &str = "the line is not UTF-8";

/// One line is one record: a line end inside quotes is not taken, so that a stray quotation mark spoils one line and not
/// the rest of the file.
struct Csv {
    reader: csv_core::Reader,
    fields: Vec<u8>,
    columns: Option<Columns>,
}

/// What follows the key.
enum Columns {
    /// One column with JSON, which may be absent.
    Json,
    /// These names and their texts make an object.
    Texts(Vec<String>),
}

impl Csv {
    fn new() -> Self {
        Self {
            reader: csv_core::Reader::new(),
            fields: Vec::new(),
            columns: None,
        }
    }

    /// `None` for the header.
    fn read(&mut self, line: &[u8]) -> Result<Option<ListEntry>, String> {
        let fields = self.split(line)?;
        let mut fields = fields.into_iter();
        let key = fields.next().unwrap_or_default();
        let Some(columns) = &self.columns else {
            if key == "key" {
                self.columns = Some(Columns::named(fields.collect())?);
                return Ok(None);
            }
            self.columns = Some(Columns::Json);
            return Columns::Json.entry(key, &fields.collect::<Vec<_>>()).map(Some);
        };
        columns.entry(key, &fields.collect::<Vec<_>>()).map(Some)
    }

    fn split(&mut self, line: &[u8]) -> Result<Vec<String>, String> {
        if line.iter().filter(|byte| **byte == b'"').count() % 2 == 1 {
            let message =
                "a quotation mark is not closed; inside quotes it is written twice, and a field ends on its line";
            return Err(message.to_owned());
        }
        // The parser would drop it without a word, and a key is exact bytes.
        if line.starts_with(BYTE_ORDER_MARK) {
            return Err("the line starts with a byte order mark, which only a file may".to_owned());
        }
        let mut ends = [0; COLUMNS_MAX];
        self.fields.resize(line.len() + 1, 0);
        self.reader.reset();
        let (result, _, written, columns) = self.reader.read_record(line, &mut self.fields, &mut ends);
        let mut counted = columns;
        if matches!(result, ReadRecordResult::InputEmpty) {
            // The end of the line ends the record.
            let rest = self.fields.get_mut(written..).unwrap_or_default();
            let ends = ends.get_mut(columns..).unwrap_or_default();
            let (result, _, _, more) = self.reader.read_record(&[], rest, ends);
            counted += more;
            if !matches!(result, ReadRecordResult::Record) {
                return Err(format!("the line has more than {COLUMNS_MAX} fields"));
            }
        } else if !matches!(result, ReadRecordResult::Record) {
            return Err(format!("the line has more than {COLUMNS_MAX} fields"));
        }
        let mut start = 0;
        let mut fields = Vec::with_capacity(counted);
        for end in ends.into_iter().take(counted) {
            let field = self.fields.get(start..end).unwrap_or_default();
            fields.push(std::str::from_utf8(field).map_err(|_| NOT_UTF8.to_owned())?.to_owned());
            start = end;
        }
        Ok(fields)
    }
}

impl Columns {
    fn named(names: Vec<String>) -> Result<Self, String> {
        if names.is_empty() || names == ["value"] {
            return Ok(Self::Json);
        }
        for (position, name) in names.iter().enumerate() {
            let first = names.iter().position(|other| other == name) == Some(position);
            if name.is_empty() || name.len() > COLUMN_NAME_BYTES_MAX || !first {
                return Err(format!(
                    "the header's names are not empty, not longer than {COLUMN_NAME_BYTES_MAX} bytes, and each comes once"
                ));
            }
        }
        Ok(Self::Texts(names))
    }

    fn entry(&self, key: String, rest: &[String]) -> Result<ListEntry, String> {
        let names = match self {
            Self::Texts(names) => names,
            Self::Json => {
                return match rest {
                    [] => entry(key, None),
                    [value] => entry(key, Some(value.as_str()).filter(|value| !value.is_empty())),
                    more => {
                        let fields = more.len() + 1;
                        Err(format!(
                            "the line has {fields} fields; without a header that names them it has 1 or 2"
                        ))
                    }
                };
            }
        };
        if rest.len() != names.len() {
            let (fields, columns) = (rest.len() + 1, names.len() + 1);
            return Err(format!("the line has {fields} fields, the header {columns}"));
        }
        let object: Map<String, Value> = names
            .iter()
            .zip(rest)
            .filter(|(_, text)| !text.is_empty())
            .map(|(name, text)| (name.clone(), Value::String(text.clone())))
            .collect();
        let value = (!object.is_empty()).then(|| Value::Object(object).to_string());
        entry(key, value.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Pair = (String, Option<String>);

    fn rows(text: &[u8], format: Format) -> Vec<(u64, Result<Pair, String>)> {
        let mut rows = Rows::new(text, format);
        let mut all = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            all.push((row.line, row.entry.map(|entry| (entry.key, entry.value))));
        }
        assert_eq!(rows.bytes_read(), text.len() as u64);
        all
    }

    fn good(text: &str, format: Format) -> Vec<Pair> {
        let rows = rows(text.as_bytes(), format).into_iter();
        rows.map(|(line, row)| row.unwrap_or_else(|error| panic!("line {line}: {error}")))
            .collect()
    }

    fn only_error(text: &[u8], format: Format) -> String {
        let mut errors = rows(text, format).into_iter().filter_map(|(_, row)| row.err());
        let error = errors.next().unwrap();
        assert_eq!(errors.next(), None);
        error
    }

    fn pair(key: &str, value: Option<&str>) -> Pair {
        (key.to_owned(), value.map(str::to_owned))
    }

    #[test]
    fn keys_alone_are_a_list() {
        let expected = [pair("79161234567", None), pair(" b ", None), pair("Žofie", None)];
        for text in [
            "79161234567\n b \nŽofie",
            "key\r\n79161234567\r\n\r\n b \r\nŽofie\r\n",
            "\u{feff}key\n79161234567\n b \nŽofie\n",
        ] {
            assert_eq!(good(text, Format::Csv), expected);
        }
    }

    #[test]
    fn a_second_column_is_json_and_named_columns_are_texts() {
        let json = "a,\"{\"\"limit\"\":1.10}\"\nb,\nc,5\n\"d,e\",null\n";
        let expected = [
            pair("a", Some(r#"{"limit":1.10}"#)),
            pair("b", None),
            pair("c", Some("5")),
            pair("d,e", None),
        ];
        assert_eq!(good(json, Format::Csv), expected);
        assert_eq!(good(&format!("key,value\n{json}"), Format::Csv), expected);
        let named = "key,name,city\na,Ivan,\"Moscow, \"\"centre\"\"\"\nb,,\n";
        let expected = [
            pair("a", Some(r#"{"name":"Ivan","city":"Moscow, \"centre\""}"#)),
            pair("b", None),
        ];
        assert_eq!(good(named, Format::Csv), expected);
    }

    #[test]
    fn json_lines_keep_the_value_s_text() {
        let text =
            "{\"key\":\"a\"}\n{\"value\": [1.10, \"x\"] , \"key\":\"b\\u00e9\"}\r\n{\"key\":\"c\",\"value\":null}";
        let expected = [pair("a", None), pair("bé", Some("[1.10, \"x\"]")), pair("c", None)];
        assert_eq!(good(text, Format::Jsonl), expected);
    }

    #[test]
    fn a_wrong_line_is_named_and_the_next_one_read() {
        let found = rows(b"a\n\"b\nc\n\xff\nd,1,2\n", Format::Csv);
        let wrong: Vec<_> = found
            .iter()
            .filter(|(_, row)| row.is_err())
            .map(|(line, _)| *line)
            .collect();
        assert_eq!((found.len(), wrong), (5, vec![2, 4, 5]));
    }

    #[test]
    fn refusals_say_what_is_wrong() {
        let long = [b"x".repeat(LINE_BYTES_MAX + 5), b"\na".to_vec()].concat();
        let endless = b"x".repeat(LINE_BYTES_MAX * 4);
        let wide = ["a", &",".repeat(COLUMNS_MAX)].concat();
        for (text, format, part) in [
            (long.as_slice(), Format::Csv, "longer than 16384"),
            (&endless, Format::Jsonl, "longer than 16384"),
            (wide.as_bytes(), Format::Csv, "more than 32 fields"),
            (b"key,a,a\n", Format::Csv, "each comes once"),
            (b"key,a,b\nx,1\n", Format::Csv, "2 fields, the header 3"),
            (b"x,{\n", Format::Csv, "not JSON"),
            (b",1\n", Format::Csv, "0 bytes"),
            (b"\xfe\n", Format::Jsonl, "not UTF-8"),
            (b"\"a\"\n", Format::Jsonl, "the line is not {"),
            (b"{\"key\":\"a\",\"valeu\":1}\n", Format::Jsonl, "valeu"),
            (b"{\"key\":1}\n", Format::Jsonl, "string"),
            (b"a\0b\n", Format::Csv, "control"),
            (b"a\n\xef\xbb\xbfb\n", Format::Csv, "byte order mark"),
        ] {
            let error = only_error(text, format);
            assert!(error.contains(part), "{error}");
            assert!(error.len() < 400, "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_rows_or_refusals(bytes in prop::collection::vec(any::<u8>(), 0..300), csv: bool) {
            rows(&bytes, if csv { Format::Csv } else { Format::Jsonl });
        }

        #[test]
        fn what_is_written_is_read_back(
            fields in prop::collection::vec(("[^\\p{Cc}\u{feff}]{1,30}", prop::option::of("[^\\p{Cc}]{0,20}")), 0..20),
            csv: bool,
        ) {
            let format = if csv { Format::Csv } else { Format::Jsonl };
            let entries: Vec<_> = fields
                .into_iter()
                .filter(|(key, _)| key.len() <= super::super::KEY_BYTES_MAX)
                .map(|(key, text)| ListEntry { key, value: text.map(|text| format!("{{\n\"a\": {}}}", Value::from(text))) })
                .collect();
            let (head, tail) = entries.split_at(entries.len() / 2);
            let file = [format.write(head, true).unwrap(), format.write(tail, false).unwrap()].concat();
            let expected: Vec<_> = entries
                .iter()
                .map(|entry| (entry.key.clone(), entry.value.as_deref().map(on_one_line)))
                .collect();
            prop_assert_eq!(good(std::str::from_utf8(&file).unwrap(), format), expected);
        }
    }
}
