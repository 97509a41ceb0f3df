#include "tests/storage/embedded/breakable_files.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>

namespace troupe::storage::testing {
namespace {
using rocksdb::IOStatus;

class breakable_file final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  breakable_file(breakable_files& disk, std::string name, std::unique_ptr<rocksdb::FSWritableFile>&& real)
      : FSWritableFileOwnerWrapper(std::move(real)), disk_(disk), name_(std::move(name)) {}
  IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& how, rocksdb::IODebugContext* debug) override {
    if (auto no = disk_.appended(name_, data.size()); !no.ok()) return no;
    return FSWritableFileOwnerWrapper::Append(data, how, debug);
  }
  IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& how, const rocksdb::DataVerificationInfo& sums, rocksdb::IODebugContext* debug) override {
    if (auto no = disk_.appended(name_, data.size()); !no.ok()) return no;
    return FSWritableFileOwnerWrapper::Append(data, how, sums, debug);
  }
  IOStatus Sync(const rocksdb::IOOptions&, rocksdb::IODebugContext*) override { return disk_.synced(name_); }
  IOStatus Fsync(const rocksdb::IOOptions&, rocksdb::IODebugContext*) override { return disk_.synced(name_); }
  IOStatus RangeSync(std::uint64_t, std::uint64_t, const rocksdb::IOOptions&, rocksdb::IODebugContext*) override { return IOStatus::OK(); }

 private:
  breakable_files& disk_;
  std::string name_;
};

class breakable_folder final : public rocksdb::FSDirectoryWrapper {
 public:
  breakable_folder(breakable_files& disk, std::unique_ptr<rocksdb::FSDirectory>&& real) : FSDirectoryWrapper(std::move(real)), disk_(disk) {}
  IOStatus Fsync(const rocksdb::IOOptions&, rocksdb::IODebugContext*) override { return disk_.folder_synced(); }
  IOStatus FsyncWithDirOptions(const rocksdb::IOOptions&, rocksdb::IODebugContext*, const rocksdb::DirFsyncOptions&) override { return disk_.folder_synced(); }

 private:
  breakable_files& disk_;
};

std::optional<std::string> content(const std::string& path) {
  std::ifstream from(path, std::ios::binary);
  if (!from) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(from), {});
}
}  // namespace

void breakable_files::cut_power_after(std::uint64_t calls, rng chance) {
  const std::lock_guard hold(mutex_);
  cut_at_ = calls_ + calls;
  chance_ = chance;
}
bool breakable_files::is_cut() {
  const std::lock_guard hold(mutex_);
  return cut_;
}
void breakable_files::fill_up(bool full) {
  const std::lock_guard hold(mutex_);
  full_ = full;
}
void breakable_files::fail_syncs(bool failing) {
  const std::lock_guard hold(mutex_);
  failing_ = failing;
}

IOStatus breakable_files::tick() {
  if (++calls_ == cut_at_) cut_ = true;
  return cut_ ? IOStatus::IOError("the power is gone") : IOStatus::OK();
}

IOStatus breakable_files::appended(const std::string& name, std::uint64_t bytes) {
  const std::lock_guard hold(mutex_);
  auto out = tick();
  if (out.ok() && full_) out = IOStatus::NoSpace("the disk is full");
  if (out.ok()) files_[name].written += bytes;
  return out;
}
IOStatus breakable_files::synced(const std::string& name) {
  const std::lock_guard hold(mutex_);
  auto out = tick();
  if (out.ok() && failing_) out = IOStatus::IOError("the disk did not sync");
  if (out.ok()) files_[name].synced = files_[name].written;
  return out;
}
IOStatus breakable_files::folder_synced() {
  const std::lock_guard hold(mutex_);
  auto out = tick();
  if (out.ok() && failing_) out = IOStatus::IOError("the disk did not sync");
  if (out.ok()) entries_.clear();
  return out;
}

IOStatus breakable_files::NewWritableFile(const std::string& name, const rocksdb::FileOptions& how, std::unique_ptr<rocksdb::FSWritableFile>* out,
                                          rocksdb::IODebugContext* debug) {
  {
    const std::lock_guard hold(mutex_);
    if (auto no = tick(); !no.ok()) return no;
    files_[name] = {};
    entries_.push_back({"", name, content(name)});
  }
  std::unique_ptr<rocksdb::FSWritableFile> real;
  auto done = FileSystemWrapper::NewWritableFile(name, how, &real, debug);
  if (done.ok()) *out = std::make_unique<breakable_file>(*this, name, std::move(real));
  return done;
}
IOStatus breakable_files::NewDirectory(const std::string& name, const rocksdb::IOOptions& how, std::unique_ptr<rocksdb::FSDirectory>* out,
                                       rocksdb::IODebugContext* debug) {
  std::unique_ptr<rocksdb::FSDirectory> real;
  auto done = FileSystemWrapper::NewDirectory(name, how, &real, debug);
  if (done.ok()) *out = std::make_unique<breakable_folder>(*this, std::move(real));
  return done;
}
IOStatus breakable_files::RenameFile(const std::string& from, const std::string& to, const rocksdb::IOOptions& how, rocksdb::IODebugContext* debug) {
  const std::lock_guard hold(mutex_);
  if (auto no = tick(); !no.ok()) return no;
  entries_.push_back({from, to, content(to)});
  files_[to] = files_[from];
  files_.erase(from);
  return FileSystemWrapper::RenameFile(from, to, how, debug);
}
IOStatus breakable_files::DeleteFile(const std::string& name, const rocksdb::IOOptions& how, rocksdb::IODebugContext* debug) {
  const std::lock_guard hold(mutex_);
  if (auto no = tick(); !no.ok()) return no;
  files_.erase(name);
  return FileSystemWrapper::DeleteFile(name, how, debug);
}

void breakable_files::settle() {
  const std::lock_guard hold(mutex_);
  for (const auto& [name, one] : files_) {
    if (one.synced == one.written || !std::filesystem::exists(name)) continue;
    std::filesystem::resize_file(name, one.synced + chance_.below(one.written - one.synced + 1));
  }
  for (auto left = entries_.size() - chance_.below(entries_.size() + 1); left > 0 && !entries_.empty(); --left) {
    const auto last = std::move(entries_.back());
    entries_.pop_back();
    if (!std::filesystem::exists(last.to)) continue;   // made, and removed again since
    if (last.from.empty()) std::filesystem::remove(last.to);
    else std::filesystem::rename(last.to, last.from);
    if (last.replaced) std::ofstream(last.to, std::ios::binary) << *last.replaced;
  }
  entries_.clear();
  files_.clear();
  cut_at_ = 0;
  cut_ = false;
}

}  // namespace troupe::storage::testing
