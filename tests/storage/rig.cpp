#include "tests/storage/rig.hpp"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace troupe::storage::testing {

std::string told(const result<page>& what) {
  if (!what) return what.why().text();
  std::string out;
  for (const auto& one : what->records)
    out += one.key + "=" + one.value.str() + "@" + std::to_string(one.modified) + "/" + std::to_string(one.version) + " ";
  return out + (what->more ? "more" : "end");
}

scratch_folder::scratch_folder() {
  auto pattern = (std::filesystem::temp_directory_path() / "troupe-storage-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary folder");
  path_ = pattern;
}
scratch_folder::~scratch_folder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string read_file(const std::string& path) {
  std::ostringstream out;
  out << std::ifstream(path, std::ios::binary).rdbuf();
  return out.str();
}
void write_file(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

}  // namespace troupe::storage::testing
