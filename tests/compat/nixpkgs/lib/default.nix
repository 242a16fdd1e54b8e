import ../../../../modules/lib
