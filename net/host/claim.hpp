// One process per data directory. What holds is a lock of the kernel, which goes with its process however that ends; the text
// in the file only tells others whose it is.
#pragma once
#include <memory>
#include <string>

#include "basis/clock.hpp"
#include "basis/result.hpp"

namespace troupe::net {

class folder_claim {
 public:
  virtual ~folder_claim() = default;     ///< Lets go. The file stays: taking it away could part two that hold "it".
};

/// Makes `folder` this process's until the claim is gone, by a lock on <folder>/lock (mode 0600). `as` says what the process is
/// ("server"). Makes the folder (0700) when there is none. Any thread; blocks for the disk only. Fails with one sentence:
/// already_exists when another process has it, naming that; as files do when the folder cannot be used. On a disk that knows no
/// such locks it holds nothing, and says so in the log.
result<std::unique_ptr<folder_claim>> claim_folder(const std::string& folder, const std::string& as, wall_time now);

}  // namespace troupe::net
