// Deploys what lies in the server's folder of manifests, and takes back what left it. One on each server, for its own folder.
#pragma once
#include <set>

#include "actors/controllers/controllers.hpp"

namespace troupe::controllers {

struct deployer_config {
  std::string folder;
  std::set<std::string> disabled = {};                       ///< Names of --disable.
  duration every = std::chrono::seconds(5);
  duration retry_first = std::chrono::seconds(2), retry_max = std::chrono::minutes(2);   ///< Of a file that could not be applied.
  std::size_t files_max = 500, file_bytes_max = 4 << 20, depth_max = 8;
};
/// `api` must be allowed everything that manifests may hold.
rt::handle<void(tick_due)> make_deployer(const rt::world& in, deployer_config config, client::api_actor api);

}  // namespace troupe::controllers
