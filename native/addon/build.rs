fn main() {
    napi_build::setup();
    // Threads of a packer may outlast the JavaScript thread that loaded this by some moments: the code stays.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
}
