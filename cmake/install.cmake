# Install rules: headers, one export set a component (so that a third-party package is only named when its component is
# asked for), the CMake package and the pkg-config file. The installed tree can be moved.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(limbeck_package_dir "${CMAKE_INSTALL_DATADIR}/cmake/limbeck")

foreach(component IN LISTS limbeck_components)
  get_target_property(target limbeck::${component} ALIASED_TARGET)
  install(TARGETS ${target} EXPORT limbeck-targets-${component} FILE_SET HEADERS DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
  install(EXPORT limbeck-targets-${component} NAMESPACE limbeck:: DESTINATION "${limbeck_package_dir}")
endforeach()

configure_package_config_file(
  cmake/limbeck-config.cmake.in limbeck-config.cmake
  INSTALL_DESTINATION "${limbeck_package_dir}"
  NO_SET_AND_CHECK_MACRO
)
write_basic_package_version_file(limbeck-config-version.cmake COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(
  FILES "${CMAKE_CURRENT_BINARY_DIR}/limbeck-config.cmake" "${CMAKE_CURRENT_BINARY_DIR}/limbeck-config-version.cmake"
        cmake/limbeck-cuda-device.cmake cmake/limbeck-cuda-device.cu cmake/FindCBLAS.cmake cmake/FindoneDNN.cmake cmake/FindUtf8proc.cmake
  DESTINATION "${limbeck_package_dir}"
)

configure_file(cmake/limbeck.pc.in limbeck.pc @ONLY)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/limbeck.pc" DESTINATION "${CMAKE_INSTALL_DATADIR}/pkgconfig")
install(FILES LICENSE DESTINATION "${CMAKE_INSTALL_DOCDIR}")
