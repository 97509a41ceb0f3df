// Gives back what only the start needed. Linux; harmless where it does nothing.
#pragma once

namespace troupe::bin {

/// Unmaps the executable pages of this process that have not been written (all of them): what is used
/// again comes back from the page cache by a minor fault, what only the start ran does not. Also returns
/// free heap to the kernel. Any thread, any time; costs some 10 ms once.
void release_startup_pages();

}  // namespace troupe::bin
