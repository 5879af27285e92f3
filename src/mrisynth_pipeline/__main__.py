"""``python -m mrisynth_pipeline`` is ``mrisynth``; pipelines are run with ``kedro run``."""

from mrisynth_pipeline.command_line import main

if __name__ == "__main__":
    main()
