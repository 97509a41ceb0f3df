#include "actors/kubelet/volumes/orders.hpp"

#include <algorithm>
#include <sstream>

namespace troupe::kubelet {
namespace {

/// A path of mountinfo: what is not plain in it is "\040".
std::string unescaped(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool coded = text[i] == '\\' && i + 3 < text.size();
    if (!coded) {
      out += text[i];
      continue;
    }
    out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
    i += 3;
  }
  return out;
}

void add_owner(std::vector<command>& to, const volume_plan& of, const std::string& group) {
  to.push_back({"chgrp", "-R", "-h", group, of.path});
  to.push_back({"chmod", "-R", of.what == volume_plan::kind::empty ? "g+rwX" : "g+rX", of.path});
  to.push_back({"find", of.path, "-type", "d", "-exec", "chmod", "g+s", "{}", "+"});
}

}  // namespace

std::vector<std::string> mounts_below(const std::string& mountinfo, const std::string& folder) {
  std::vector<std::string> out;
  std::istringstream lines(mountinfo);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string word;
    for (int i = 0; i < 5; ++i) words >> word;
    if (auto path = unescaped(word); path.starts_with(folder + "/")) out.push_back(std::move(path));
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a > b; });
  return out;
}

std::vector<command> volume_orders(const std::vector<volume_plan>& now, const std::vector<volume_plan>& before, const json& pod, const std::string& mountinfo) {
  std::vector<command> out;
  const auto& given = dig(pod, "spec", "securityContext", "fsGroup");
  for (const auto& one : now) {
    if (one.what == volume_plan::kind::host) continue;
    const auto was = std::find_if(before.begin(), before.end(), [&](const volume_plan& v) { return v.name == one.name; });
    const auto mounted = mounts_below(mountinfo, one.path.substr(0, one.path.rfind('/')));
    if (one.in_memory && std::find(mounted.begin(), mounted.end(), one.path) == mounted.end()) {
      const auto size = one.bytes_max > 0 ? "size=" + std::to_string(one.bytes_max) + "," : std::string();
      out.push_back({"mount", "-t", "tmpfs", "-o", size + "mode=0777,nosuid,nodev", "tmpfs", one.path});
    }
    const bool fresh = was == before.end() || was->files != one.files;
    if (given.is_number_integer() && fresh) add_owner(out, one, std::to_string(given.get<std::int64_t>()));
  }
  return out;
}

}  // namespace troupe::kubelet
