// Gives back what only the start needed. Linux; harmless where it does nothing.
#pragma once

namespace troupe::bin {

/// One heap for all threads instead of one for each. What many threads allocate and others free lies scattered in many heaps, and
/// in each of them some of it keeps the rest. For who has little to do and much to hold: an agent (decision 187). Before any thread.
void use_one_heap();

/// Unmaps the executable pages of this process that have not been written (all of them): what is used
/// again comes back from the page cache by a minor fault, what only the start ran does not. Also returns
/// free heap to the kernel. Any thread, any time; costs some 10 ms once.
void release_startup_pages();

/// When to do so: some time after the start, and again whenever work that is over (an image that was imported, many pods that
/// came) has left the process a quarter larger than it was then. Main's thread alone.
class resident_memory {
 public:
  /// About once a second, from when the node is ready.
  void look();

 private:
  static constexpr unsigned first_after = 10, again_after = 60;   ///< Looks.
  unsigned looks_ = 0, due_ = first_after;
  unsigned long pages_ = 0;                                       ///< Resident after the last time.
};

}  // namespace troupe::bin
