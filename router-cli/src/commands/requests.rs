//! Requests as lines of JSON: what `route`, `compare` and `drift` read.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use router_core::{Constraints, Error, ModelPool, Prompt, Request, Result};

/// Bytes of input read ahead.
pub(super) const READ_AHEAD: usize = 1 << 20;

/// The name of stdin in arguments and errors.
pub(super) const STDIN: &str = "-";

/// Lines of JSON from a file or stdin.
pub(super) struct Lines {
    name: String,
    input: Box<dyn BufRead>,
    text: Vec<u8>,
    number: usize,
}

impl Lines {
    /// Opens `path`; `-` is stdin.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let input: Box<dyn BufRead> = if name == STDIN {
            Box::new(BufReader::with_capacity(READ_AHEAD, std::io::stdin().lock()))
        } else {
            Box::new(BufReader::with_capacity(READ_AHEAD, File::open(path).map_err(|source| Error::io(path, source))?))
        };
        Ok(Self { name, input, text: Vec::new(), number: 0 })
    }

    /// The next request; `None` at the end of the input. A line without a `prompt_id` is named by its number.
    pub(super) fn next(&mut self) -> Result<Option<(Prompt, Constraints)>> {
        loop {
            self.text.clear();
            let read = self.input.read_until(b'\n', &mut self.text).map_err(|source| Error::io(&self.name, source))?;
            if read == 0 {
                return Ok(None);
            }
            self.number += 1;
            let found = request(&self.text, self.number);
            if let Some(request) = found.map_err(|error| error.in_file(&self.name).at_line(self.number))? {
                return Ok(Some(request));
            }
        }
    }
}

/// The request on a line of input; `None` for an empty line. `number` names a prompt without an id.
pub(super) fn request(line: &[u8], number: usize) -> Result<Option<(Prompt, Constraints)>> {
    if line.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    let Request { prompt, constraints } = Request::from_json(line, &number.to_string())?;
    Ok(Some((prompt, constraints)))
}

/// As [`request`], its constraints held against `pool`.
pub(super) fn request_of(line: &[u8], number: usize, pool: &ModelPool) -> Result<Option<(Prompt, Constraints)>> {
    let request = request(line, number)?;
    if let Some((_, constraints)) = &request {
        constraints.check(pool)?;
    }
    Ok(request)
}
