//! Finds whole HTTP/1.1 requests in a stream, so that copies of them can be made.

/// Longer requests are not copied, in bytes.
const REQUEST_BYTES_MAX: usize = 256 * 1024;
const HEAD_END: &[u8] = b"\r\n\r\n";

#[derive(Default)]
pub struct Requests {
    begun: Vec<u8>,
    /// Not HTTP, or too long: nothing more is looked for.
    given_up: bool,
}

impl Requests {
    /// The requests that are whole with these bytes.
    pub fn take(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut whole = Vec::new();
        if self.given_up {
            return whole;
        }
        self.begun.extend_from_slice(bytes);
        while let Some(length) = self.length() {
            if self.begun.len() < length {
                break;
            }
            let rest = self.begun.split_off(length);
            whole.push(std::mem::replace(&mut self.begun, rest));
        }
        if self.begun.len() > REQUEST_BYTES_MAX {
            (self.given_up, self.begun) = (true, Vec::new());
        }
        whole
    }

    /// Of the first request, once its head is there.
    fn length(&self) -> Option<usize> {
        let head = self
            .begun
            .windows(HEAD_END.len())
            .position(|window| window == HEAD_END)?;
        let text = String::from_utf8_lossy(&self.begun[..head]).to_ascii_lowercase();
        let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
        let body = length.map_or(Some(0), |length| length.trim().parse::<usize>().ok())?;
        Some(head + HEAD_END.len() + body.min(REQUEST_BYTES_MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_found_however_they_are_cut() {
        let stream = b"GET /a HTTP/1.1\r\nhost: x\r\n\r\nPOST /b HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET /c HTTP/1.1\r\n\r\n";
        for cut in 1..stream.len() {
            let mut requests = Requests::default();
            let found: Vec<Vec<u8>> = stream.chunks(cut).flat_map(|bytes| requests.take(bytes)).collect();
            assert_eq!(found.len(), 3, "cut at {cut}");
            assert!(found[1].ends_with(b"abc"), "cut at {cut}");
        }
    }
}
