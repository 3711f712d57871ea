// A folder for the files of a data set, removed at the end.
#ifndef RONDO_TESTS_SUPPORT_DATA_FOLDER_H_
#define RONDO_TESTS_SUPPORT_DATA_FOLDER_H_

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace tests {

class DataFolder {
 public:
  DataFolder() {
    std::string name = testing::TempDir() + "data-XXXXXX";
    path_ = mkdtemp(name.data());
  }
  ~DataFolder() { std::filesystem::remove_all(path_); }
  DataFolder(const DataFolder&) = delete;
  DataFolder& operator=(const DataFolder&) = delete;

  void Write(const std::string& name, const std::string& bytes) const {
    std::ofstream(path_ / name, std::ios::binary) << bytes;
  }
  void Remove(const std::string& name) const { std::filesystem::remove(path_ / name); }
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

}  // namespace tests

#endif  // RONDO_TESTS_SUPPORT_DATA_FOLDER_H_
