#include "bin/memory.hpp"

#include <malloc.h>
#include <sys/mman.h>

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>

namespace troupe::bin {

void use_one_heap() { mallopt(M_ARENA_MAX, 1); }

void release_startup_pages() {
  malloc_trim(0);
  std::ifstream maps("/proc/self/smaps");
  std::uintptr_t from = 0, to = 0;
  bool clean_file = false;
  for (std::string line; std::getline(maps, line);) {
    std::uintptr_t begin = 0, end = 0;
    char rights[5] = {};
    if (std::sscanf(line.c_str(), "%lx-%lx %4s", &begin, &end, rights) == 3) {
      from = begin, to = end;
      const std::string_view may(rights);
      // Code and constants of files. The part of a library that held relocations is read-only too by now, but its pages
      // were written once and are in no file: the kernel counts those as anonymous.
      clean_file = (may == "r-xp" || may == "r--p") && line.find('/') != std::string::npos;
    } else if (unsigned long kib = 0; clean_file && std::sscanf(line.c_str(), "Anonymous: %lu kB", &kib) == 1) {
      if (kib == 0) madvise(reinterpret_cast<void*>(from), to - from, MADV_DONTNEED);
      clean_file = false;
    }
  }
}

namespace {
unsigned long resident_pages() {
  std::ifstream statm("/proc/self/statm");
  unsigned long all = 0, resident = 0;
  statm >> all >> resident;
  return resident;
}
}  // namespace

void resident_memory::look() {
  if (++looks_ < due_) return;
  due_ = looks_ + again_after;
  if (pages_ != 0 && resident_pages() < pages_ + pages_ / 4) return;
  release_startup_pages();
  pages_ = resident_pages();
}

}  // namespace troupe::bin
