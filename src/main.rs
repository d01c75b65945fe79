//! The program: all of it is `precis::cli`.

fn main() -> std::process::ExitCode {
    precis::cli::main()
}
