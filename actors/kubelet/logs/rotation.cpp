#include "actors/kubelet/logs/rotation.hpp"

#include <algorithm>

namespace troupe::kubelet {
namespace {
std::string folder_of(const std::string& path) { return path.substr(0, path.rfind('/')); }
std::string name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }
/// "20260301-120000"
std::string stamp(wall_time at) {
  std::string out;
  for (const char c : to_rfc3339(at).substr(0, 19))
    if (c == 'T') out += '-';
    else if (c >= '0' && c <= '9') out += c;
  return out;
}
}  // namespace

std::vector<std::string> former_logs(const std::vector<net::file_entry>& folder, const std::string& name) {
  std::vector<std::string> out;
  for (const auto& one : folder)
    if (!one.folder && one.name.starts_with(name + ".")) out.push_back(one.name);
  std::sort(out.begin(), out.end());
  return out;
}

result<std::string> rotate_log(net::files& disk, const std::string& path, const log_limits& within, wall_time now) {
  const auto size = disk.size(path);
  if (!size.ok() || *size < within.bytes_max) return std::string();
  auto former = former_logs(disk.list(folder_of(path)).value_or({}), name_of(path));
  for (std::size_t i = 0; i + within.files_max < former.size() + 2; ++i)
    if (auto gone = disk.remove(folder_of(path) + "/" + former[i]); !gone.ok()) return gone.why();
  const auto to = path + "." + stamp(now);
  if (disk.exists(to)) return std::string();   // once a second is enough
  if (auto went = disk.rename(path, to); !went.ok()) return went.why();
  return to;
}

void remove_logs(net::files& disk, const std::string& path) {
  for (const auto& one : former_logs(disk.list(folder_of(path)).value_or({}), name_of(path))) (void)disk.remove(folder_of(path) + "/" + one);
  (void)disk.remove(path);
}

}  // namespace troupe::kubelet
